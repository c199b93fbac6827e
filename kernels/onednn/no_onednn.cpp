// In place of the backend where oneDNN is not installed.
#include "kernels/onednn/onednn_backend.h"
#include "kernels/onednn/stand_alone.h"

namespace gan {

std::unique_ptr<Backend> make_onednn_backend() {
  return nullptr;
}

std::function<void()> onednn_stand_alone(const Call&, bool) {
  return {};
}

}  // namespace gan
