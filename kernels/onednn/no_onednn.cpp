// In place of the backend where oneDNN is not installed.
#include "kernels/onednn/onednn_backend.h"

namespace gan {

std::unique_ptr<Backend> make_onednn_backend() {
  return nullptr;
}

}  // namespace gan
