// What all programs have in common: their options for the device, and how they end.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "kernels/device.h"

namespace gan {

// A parser with --help and --version. `examples` are shown below the options.
void set_up(CLI::App& app, const std::string& examples);

// Adds --device, --backend, --precision and --threads.
void add_device_options(CLI::App& app, DeviceOptions& options);
// Adds --order, for programs that train.
void add_order_option(CLI::App& app, DeviceOptions& options);

// Opens the device and prints the first line of every program: "device: ...".
Device open_and_announce(const DeviceOptions& options);

// Parses the arguments, then runs `body`. Every failure becomes one line on stderr and its exit
// code: 2 for options, else what the Error says. `body` returns the exit code of success.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

// True after Ctrl-C or a request to terminate, once watch_for_interrupt() was called. A second
// Ctrl-C ends the program at once.
void watch_for_interrupt();
bool interrupted();

}  // namespace gan
