// In place of the backend where oneDNN is not installed.
#include "kernels/onednn/onednn_backend.h"
#include "kernels/onednn/stand_alone.h"

namespace gan {

std::unique_ptr<Backend> make_onednn_backend() {
  return nullptr;
}

// There is no backend to ask, but tests that ask only where there is one have to link.
OneDnnBackend::Statistics OneDnnBackend::statistics() const {
  return {};
}

std::function<void()> onednn_stand_alone(const Call&, bool) {
  return {};
}

}  // namespace gan
