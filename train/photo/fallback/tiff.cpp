// Stands in for ../tiff.cpp in builds without libtiff.
#include "train/photo/codec.h"

namespace gan::codec {

const Codec tiff = {};

}  // namespace gan::codec
