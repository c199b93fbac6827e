// The generators one by one, each in a file of its own, for make_generator.
#pragma once

#include <memory>
#include <string>

#include "model/generator.h"

namespace gan {

std::unique_ptr<Generator> make_autoencoder5();
std::unique_ptr<Generator> make_autoencoder7(std::string model, Activation act);
std::unique_ptr<Generator> make_final_generator(std::string model, int width);
std::unique_ptr<Generator> make_chroma_generator(int width, ColorHead head);
std::unique_ptr<Generator> make_unet(int width);
std::unique_ptr<Generator> make_demo_generator();

}  // namespace gan
