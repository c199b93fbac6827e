#include "engine/error.h"

#include <iomanip>

namespace gan {

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

}  // namespace gan
