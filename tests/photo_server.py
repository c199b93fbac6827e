#!/usr/bin/env python3
"""photo_server.py FOLDER PORT_FILE: a web server that behaves well and badly, for album.sh.

Serves the files in FOLDER, and:
  /redirect    redirects to /photo.jpg
  /loop        redirects to itself
  /away        redirects to a file: URL
  /endless     5 GB, and says so; /surprise: the same without saying so
  /drip        a byte every tenth of a second
  /silent      never answers
  /cut         half of what it promised
Writes the port that it got to PORT_FILE.
"""
import functools
import http.server
import os
import sys
import time

FIVE_GB = 5_000_000_000


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def redirect(self, to):
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def begin(self, length=None):
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def stream(self, piece, total, pause=0.0):
        sent = 0
        while sent < total:
            self.wfile.write(piece)
            self.wfile.flush()
            sent += len(piece)
            time.sleep(pause)

    def do_GET(self):
        try:
            if self.path == "/redirect":
                self.redirect("/photo.jpg")
            elif self.path == "/loop":
                self.redirect("/loop")
            elif self.path == "/away":
                self.redirect("file:///etc/hostname")
            elif self.path == "/endless":
                self.begin(FIVE_GB)
                self.stream(bytes(1 << 16), FIVE_GB)
            elif self.path == "/surprise":
                self.begin()
                self.stream(bytes(1 << 16), FIVE_GB)
            elif self.path == "/drip":
                self.begin(100000)
                self.stream(b"x", 100000, 0.1)
            elif self.path == "/silent":
                time.sleep(60)
            elif self.path == "/cut":
                self.begin(100000)
                self.stream(bytes(50000), 50000)
            else:
                super().do_GET()
        except OSError:  # the other side has enough
            self.close_connection = True


def main():
    folder, port_file = sys.argv[1:]
    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with open(port_file + ".new", "w") as file:
        file.write(str(server.server_port))
    os.rename(port_file + ".new", port_file)
    server.serve_forever()


main()
