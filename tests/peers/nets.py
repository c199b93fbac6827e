"""PyTorch twins of the networks."""
import torch
import torch.nn as nn
import torch.nn.functional as F

LEAKY_SLOPE = 0.2


class Block(nn.Module):
    """Convolution without bias, batch norm."""

    def __init__(self, inputs, outputs, stride=1, up=False):
        super().__init__()
        self.conv = (nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1, bias=False) if up
                     else nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False))
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class Plain(nn.Module):
    """Convolution with bias, as a module with the tensor names of our files."""

    def __init__(self, inputs, outputs, stride=1, up=False):
        super().__init__()
        self.conv = (nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1) if up
                     else nn.Conv2d(inputs, outputs, 3, stride, 1))

    def forward(self, x):
        return self.conv(x)


class Generator(nn.Module):
    """The final generator. `seen` is called with the input of every kinked activation."""

    def __init__(self, w, seen=lambda name, x: None):
        super().__init__()
        self.seen = seen
        self.enc1, self.enc2 = Block(3, w, 2), Block(w, 2 * w)
        self.enc3, self.enc4 = Block(2 * w, 2 * w, 2), Block(2 * w, 4 * w)
        self.enc5 = Block(4 * w, 8 * w, 2)
        self.dec1, self.dec2 = Block(8 * w, 4 * w, up=True), Block(8 * w, 2 * w, up=True)
        self.dec3, self.out = Block(4 * w, w, up=True), Plain(w, 3)

    def layer(self, name, x):
        x = getattr(self, name)(x)
        self.seen("g." + name, x)
        return F.relu(x)

    def forward(self, gray):
        a = self.layer("enc2", self.layer("enc1", gray))
        b = self.layer("enc4", self.layer("enc3", a))
        up = torch.cat((self.layer("dec1", self.layer("enc5", b)), b), 1)
        up = torch.cat((self.layer("dec2", up), a), 1)
        return torch.sigmoid(self.out(self.layer("dec3", up)))


class Discriminator(nn.Module):
    """The classic discriminator; returns logits."""

    def __init__(self, seen=lambda name, x: None, dropout=0):
        super().__init__()
        self.seen, self.dropout = seen, dropout
        self.l1, self.l2, self.l3 = Plain(3, 32, 2), Block(32, 64), Block(64, 128)
        self.l4, self.fc = Block(128, 256), nn.Linear(256 * 16 * 16, 1)

    def layer(self, name, x):
        x = getattr(self, name)(x)
        self.seen("d." + name, x)
        return F.leaky_relu(x, LEAKY_SLOPE)

    def forward(self, photo):
        x = F.avg_pool2d(self.layer("l1", photo), 2)
        x = F.avg_pool2d(self.drop(self.layer("l2", x)), 2)
        x = self.drop(self.layer("l4", self.drop(self.layer("l3", x))))
        return self.fc(x.flatten(1))

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training) if self.dropout > 0 else x


class Demo(nn.Module):
    """The generator of the original's surviving weights."""

    def __init__(self):
        super().__init__()
        for i, (a, b) in enumerate(((3, 16), (16, 32), (32, 64), (64, 128)), 1):
            setattr(self, f"l{i}", nn.Conv2d(a, b, 3, 1, 1))
        for i, (a, b) in enumerate(((128, 64), (128, 32), (64, 16), (32, 3)), 1):
            setattr(self, f"t{i}", nn.ConvTranspose2d(a, b, 3, 2, 1, 1))

    def forward(self, gray):
        skips = []
        for i in range(1, 5):
            gray = F.leaky_relu(F.max_pool2d(getattr(self, f"l{i}")(gray), 2), LEAKY_SLOPE)
            skips.append(gray)
        x = self.t1(skips[3])
        for i in (2, 3, 4):
            x = getattr(self, f"t{i}")(torch.cat((x, skips[4 - i]), 1))
        return torch.sigmoid(x)


class Autoencoder(nn.Module):
    """The original's plain autoencoders: layers enc1, enc2, ... and dec1, dec2, ..., no skips."""

    def __init__(self, encoder, decoder, act):
        super().__init__()
        self.act, self.depth = act, len(encoder) + len(decoder)
        for i, (a, b, stride) in enumerate(encoder, 1):
            setattr(self, f"enc{i}", Plain(a, b, stride))
        for i, (a, b) in enumerate(decoder, 1):
            setattr(self, f"dec{i}", Plain(a, b, up=True))

    def forward(self, x):
        for i, layer in enumerate(self.children(), 1):
            x = layer(x)
            x = torch.sigmoid(x) if i == self.depth else self.act(x)
        return x


def autoencoder5():
    return Autoencoder([(3, 16, 2), (16, 32, 1), (32, 64, 2)], [(64, 32), (32, 3)], F.relu)


def autoencoder7(act=F.relu):
    return Autoencoder([(3, 16, 1), (16, 32, 2), (32, 64, 2), (64, 128, 2)],
                       [(128, 64), (64, 32), (32, 3)], act)


def leaky(x):
    return F.leaky_relu(x, LEAKY_SLOPE)


class UNet(nn.Module):
    """Seven halvings, seven doublings, a skip at every scale between."""

    def __init__(self, w):
        super().__init__()
        down = [3, w, 2 * w, 4 * w, 8 * w, 8 * w, 8 * w, 8 * w]
        for i in range(1, 8):
            plain = i in (1, 7)
            setattr(self, f"down{i}", (Plain if plain else Block)(down[i - 1], down[i], 2))
        for i in range(1, 7):
            inputs = down[7] if i == 1 else 2 * down[8 - i]
            setattr(self, f"up{i}", Block(inputs, down[7 - i], up=True))
        self.up7 = Plain(2 * w, 3, up=True)

    def forward(self, x):
        skips = []
        for i in range(1, 8):
            x = leaky(getattr(self, f"down{i}")(x))
            skips.append(x)
        x = skips.pop()
        for i in range(1, 7):
            x = torch.cat((F.relu(getattr(self, f"up{i}")(x)), skips.pop()), 1)
        return torch.sigmoid(self.up7(x))


def network_of(metadata):
    """The twin of the generator that a weights file of ours says it holds."""
    model, width = metadata["model"], int(metadata.get("width", 0))
    head = metadata.get("color_head", "rgb")
    if model == "gan" and head != "rgb":
        return ChromaGenerator(width, head)
    makers = {"gan": lambda: Generator(width), "autoencoder9-skip": lambda: Generator(width),
              "autoencoder5": autoencoder5, "autoencoder7": autoencoder7,
              "autoencoder7-leaky": lambda: autoencoder7(leaky), "unet": lambda: UNet(width),
              "demo": Demo}
    return makers[model]()


class ChromaGenerator(nn.Module):
    """The generator with a chroma head, for inference; `head` is "chroma64" or "chroma128"."""

    def __init__(self, w, head):
        super().__init__()
        self.head = head
        self.enc1, self.enc2 = Block(3, w, 2), Block(w, 2 * w)
        self.enc3, self.enc4 = Block(2 * w, 2 * w, 2), Block(2 * w, 4 * w)
        self.enc5 = Block(4 * w, 8 * w, 2)
        self.ctx1, self.ctx2 = Block(8 * w, 4 * w, 2), Block(4 * w, 4 * w, 2)
        self.ctx3 = Block(4 * w, 4 * w)
        self.dec1, self.dec2 = Block(12 * w, 4 * w), Block(8 * w, 2 * w)
        self.dec3, self.out = Block(4 * w, w), Plain(w, 2)

    def forward(self, gray):
        def larger(x):
            return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

        a = F.relu(self.enc2(F.relu(self.enc1(gray))))
        b = F.relu(self.enc4(F.relu(self.enc3(a))))
        x = F.relu(self.enc5(b))
        around = F.relu(self.ctx3(F.relu(self.ctx2(F.relu(self.ctx1(x))))))
        x = F.relu(self.dec1(torch.cat((x, larger(larger(around))), 1)))
        x = F.relu(self.dec2(torch.cat((larger(x), b), 1)))
        x = F.relu(self.dec3(torch.cat((larger(x), a), 1)))
        return torch.tanh(self.out(larger(x) if self.head == "chroma128" else x))
