/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-machine DIR FUNCTIONS [DRIVER]: makes a machine of so many PCI functions in DIR (which is
 * created), for benchmarks and for trying things by hand: a boot_vga GPU with its audio function at
 * 0000:01:00 on the driver (nvidia), configured as device `gpu` of the mode `passthrough`, and NICs
 * behind root ports.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake-host.h"

#define FUNCTIONS_MIN 2
#define FUNCTIONS_MAX (0xfe * 0x20)

static const char config_text[] = "[general]\n"
                                  "default-mode = host\n"
                                  "fallback-mode = host\n"
                                  "\n"
                                  "[device gpu]\n"
                                  "address = 0000:01:00.0\n"
                                  "id = 10de:2484\n"
                                  "consent = boot-vga\n"
                                  "\n"
                                  "[mode host]\n"
                                  "\n"
                                  "[mode passthrough]\n"
                                  "vfio-devices = gpu\n";

int main(int argc, char **argv) {
        unsigned long functions;
        FakeHost *host;

        functions = argc == 3 || argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
        if (functions < FUNCTIONS_MIN || functions > FUNCTIONS_MAX) {
                (void)fprintf(stderr, "usage: fake-machine DIR FUNCTIONS (%d to %d) [DRIVER]\n",
                              FUNCTIONS_MIN, FUNCTIONS_MAX);
                return 2;
        }
        if (mkdir(argv[1], 0755) < 0) {
                (void)fprintf(stderr, "fake-machine: %s: %s\n", argv[1], strerror(errno));
                return 1;
        }
        host = fake_host_new_at(argv[1]);
        fake_host_add_gpu(host, "0000:01:00.0", .group = 1,
                          .driver = argc == 4 ? argv[3] : "nvidia", .audio = true,
                          .boot_vga = true);
        fake_host_add_memory(host, 1024);
        fake_host_add_driver(host, "e1000e", "8086:10d3");
        for (unsigned i = 0; i < functions - 2; i++) {
                char address[32];

                (void)snprintf(address, sizeof(address), "0000:%02x:%02x.0", 2 + i / 32, i % 32);
                if (i % 8 == 0)
                        fake_host_add_bridge(host, address, (int)i + 2);
                else
                        fake_host_add_nic(host, address, (int)i + 2);
        }
        fake_host_write(host, "etc/vfio-mode.ini", config_text);
        fake_host_freep(&host);
        return 0;
}
