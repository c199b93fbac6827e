// What a weights file says about itself.
#pragma once

#include <ostream>
#include <string>

namespace gan {

// Prints everything: the network, how it was trained, its licence, its SHA-256, and every tensor.
// Generators are checked as for colouring, so what this accepts can be used. A checkpoint of a
// training run is described, too. Throws DataError for any other file and for damaged ones, naming
// the tensor, what was expected and what was found.
void print_info(std::ostream& out, const std::string& path);

}  // namespace gan
