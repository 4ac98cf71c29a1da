/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_make() by example: a row is a machine, a configuration, a mode, and the steps or the refusal
 * that must come of it. What must hold on every machine is in test-plan-property.c.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan-words.h"

#define ROW_FUNCTIONS 6
#define ROW_HOMES 3

typedef struct Home {
        const char *address, *driver, *override;
} Home;

typedef struct Row {
        const char *title;
        Words functions[ROW_FUNCTIONS];
        Home homes[ROW_HOMES];
        const char *config, *mode;
        bool early, no_iommu, no_vfio_pci, no_type1;
        RefusalKind refusal;
        const char *says;  /**< must stand in the refusal's text */
        const char *steps; /**< all of them; NULL: none */
        const char *notes; /**< must stand in one of the notes; NULL: there is none */
        const char *vfio;  /**< the addresses of plan.vfio; NULL: not looked at */
} Row;

/* --- words that many rows share --- */

#define DISPLAY .address = "0000:01:00.0", .id = "10de:2484", .class_code = 0x030000, .group = 12
#define GPU DISPLAY, .boot_vga = true
#define AUDIO .address = "0000:01:00.1", .id = "10de:228b", .class_code = 0x040300, .group = 12
#define TWIN .address = "0000:02:00.0", .id = "10de:2484", .class_code = 0x030000, .group = 13
#define NIC .address = "0000:05:00.0", .id = "8086:10d3", .class_code = 0x020000, .group = 15
#define PORT .address = "0000:00:01.0", .id = "8086:3420", .class_code = 0x060400, .group = 12

#define ON_HOST                                       \
        {                                             \
                { GPU, .driver = "nvidia" },          \
                { AUDIO, .driver = "snd_hda_intel" }, \
        }
#define ON_VFIO                                                                            \
        {                                                                                  \
                { GPU, .driver = "vfio-pci", .native = "nvidia", .override = "vfio-pci" }, \
                { AUDIO, .driver = "vfio-pci", .native = "snd_hda_intel",                  \
                  .override = "vfio-pci" },                                                \
        }
#define HOMES                                              \
        {                                                  \
                { "0000:01:00.0", "nvidia", NULL },        \
                { "0000:01:00.1", "snd_hda_intel", NULL }, \
        }

#define GENERAL "[general]\ndefault-mode = host\nfallback-mode = host\n"
#define DEVICE GENERAL "[device gpu]\naddress = 0000:01:00.0\nid = 10de:2484\n"
#define MODE "[mode passthrough]\nvfio-devices = gpu\n"
#define CONSENT "consent = boot-vga\n"
#define PLAIN DEVICE CONSENT MODE
#define BY_ID GENERAL "[device gpu]\nid = 10de:2484\n" CONSENT MODE
#define TWINS                                                    \
        GENERAL "[device gpu]\naddress = 0000:01:00.0\n" CONSENT \
                "[device twin]\nid = 10de:2484\n" MODE
#define ROUTER "[device nic]\naddress = 0000:05:00.0\n"

#define TAKE_AUDIO                             \
        "set-override 0000:01:00.1 vfio-pci\n" \
        "unbind 0000:01:00.1 snd_hda_intel\n"  \
        "bind 0000:01:00.1 vfio-pci\n"
#define TAKE_GPU                               \
        "set-override 0000:01:00.0 vfio-pci\n" \
        "unbind 0000:01:00.0 nvidia\n"         \
        "bind 0000:01:00.0 vfio-pci\n"
#define RETURN_GPU                       \
        "set-override 0000:01:00.0\n"    \
        "unbind 0000:01:00.0 vfio-pci\n" \
        "bind 0000:01:00.0 nvidia\n"
#define RETURN_AUDIO                     \
        "set-override 0000:01:00.1\n"    \
        "unbind 0000:01:00.1 vfio-pci\n" \
        "bind 0000:01:00.1 snd_hda_intel\n"
#define BOTH "0000:01:00.0 0000:01:00.1 "

static const Row rows[] = {
        /* --- there and back --- */
        { "to vfio-pci: the display function goes last", ON_HOST, .config = PLAIN,
          .mode = "passthrough", .steps = TAKE_AUDIO TAKE_GPU, .vfio = BOTH },
        { "to the host: the display function comes first", ON_VFIO, HOMES, PLAIN, "host",
          .steps = RETURN_GPU RETURN_AUDIO, .vfio = "" },
        { "in passthrough mode already: no step", ON_VFIO, HOMES, PLAIN, "passthrough",
          .vfio = BOTH },
        { "in host mode already: no step", ON_HOST, .config = PLAIN, .mode = "host", .vfio = "" },
        { "a mode between two others takes what it wants and returns the rest",
          { { GPU, .driver = "vfio-pci", .native = "nvidia", .override = "vfio-pci" },
            { NIC, .driver = "e1000e" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN ROUTER "[mode router]\nvfio-devices = nic\n",
          "router",
          .steps = RETURN_GPU "set-override 0000:05:00.0 vfio-pci\nunbind 0000:05:00.0 e1000e\n"
                              "bind 0000:05:00.0 vfio-pci\n",
          .vfio = "0000:05:00.0 " },
        { "a device that is on vfio-pci in both modes is not touched",
          { { GPU, .driver = "nvidia" },
            { NIC, .driver = "vfio-pci", .override = "vfio-pci", .native = "e1000e",
              .holder = 77 } },
          { { "0000:05:00.0", "e1000e", NULL } },
          DEVICE CONSENT ROUTER "[mode host]\nvfio-devices = nic\n"
                                "[mode passthrough]\nvfio-devices = nic gpu\n",
          "passthrough",
          .steps = TAKE_GPU,
          .vfio = "0000:01:00.0 0000:05:00.0 " },

        /* --- what a function may be found as --- */
        { "an unbound function needs no unbind",
          { { GPU }, { AUDIO, .driver = "snd_hda_intel" } },
          .config = PLAIN,
          .mode = "passthrough",
          .steps = TAKE_AUDIO "set-override 0000:01:00.0 vfio-pci\nbind 0000:01:00.0 vfio-pci\n" },
        { "an override that is set already is not written again",
          { { GPU, .driver = "nvidia", .override = "vfio-pci" } },
          .config = PLAIN,
          .mode = "passthrough",
          .steps = "unbind 0000:01:00.0 nvidia\nbind 0000:01:00.0 vfio-pci\n" },
        { "a variant of vfio-pci counts as passed through",
          { { GPU, .variant = "nvgrace-gpu-vfio-pci", .override = "nvgrace-gpu-vfio-pci" } },
          .config = PLAIN,
          .mode = "passthrough",
          .vfio = "0000:01:00.0 " },
        { "from a variant of vfio-pci back to the host",
          { { GPU, .variant = "nvgrace-gpu-vfio-pci", .override = "nvgrace-gpu-vfio-pci",
              .native = "nvidia" } },
          .config = PLAIN,
          .mode = "host",
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 nvgrace-gpu-vfio-pci\n"
                   "probe 0000:01:00.0\n" },
        { "a variant for the function is loaded first, and vfio-pci only for what has none",
          { { GPU, .driver = "nvidia", .wants = "nvgrace_gpu_vfio_pci" },
            { AUDIO, .driver = "snd_hda_intel" } },
          .config = PLAIN,
          .mode = "passthrough",
          .no_vfio_pci = true,
          .steps = "load-module nvgrace_gpu_vfio_pci\nload-module vfio-pci\n" TAKE_AUDIO
                   "set-override 0000:01:00.0 nvgrace_gpu_vfio_pci\n"
                   "unbind 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 nvgrace_gpu_vfio_pci\n" },
        { "two functions of one variant: it is loaded once",
          { { GPU, .wants = "some_vfio_pci" }, { AUDIO, .wants = "some_vfio_pci" } },
          .config = PLAIN,
          .mode = "passthrough",
          .no_vfio_pci = true,
          .steps = "load-module some_vfio_pci\n"
                   "set-override 0000:01:00.1 some_vfio_pci\nbind 0000:01:00.1 some_vfio_pci\n"
                   "set-override 0000:01:00.0 some_vfio_pci\nbind 0000:01:00.0 some_vfio_pci\n" },
        { "a variant that is loaded already, and vfio-pci is not needed",
          { { GPU, .driver = "nvidia", .wants = "some-vfio-pci", .wants_loaded = true } },
          .config = PLAIN,
          .mode = "passthrough",
          .no_vfio_pci = true,
          .steps = "set-override 0000:01:00.0 some-vfio-pci\nunbind 0000:01:00.0 nvidia\n"
                   "bind 0000:01:00.0 some-vfio-pci\n" },
        { "what is on vfio-pci stays there, though there is a variant",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .wants = "some-vfio-pci" } },
          .config = PLAIN,
          .mode = "passthrough",
          .vfio = "0000:01:00.0 " },
        { "what we put on a variant has its override mended",
          { { GPU, .variant = "some-vfio-pci", .native = "nvidia" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN,
          "passthrough",
          .steps = "set-override 0000:01:00.0 some-vfio-pci\n" },
        { "the override of a variant that stayed behind is cleared",
          { { GPU, .driver = "nvidia", .override = "some-vfio-pci" } },
          .config = PLAIN,
          .mode = "host",
          .steps = "set-override 0000:01:00.0\n" },
        { "on pci-stub: to what the modalias picks, also where that was its place before",
          { { GPU, .driver = "pci-stub", .native = "nvidia" },
            { AUDIO, .driver = "vfio-pci", .override = "vfio-pci", .native = "snd_hda_intel" } },
          { { "0000:01:00.1", "pci-stub", NULL } },
          PLAIN,
          "host",
          .steps = "unbind 0000:01:00.0 pci-stub\nprobe 0000:01:00.0\n"
                   "set-override 0000:01:00.1\nunbind 0000:01:00.1 vfio-pci\n"
                   "probe 0000:01:00.1\n" },
        { "a host-driver that keeps it from all others is at home",
          { { GPU, .driver = "pci-stub", .native = "nvidia" } },
          .config = DEVICE CONSENT "host-driver = pci-stub\n" MODE,
          .mode = "host" },
        { "on vfio-pci without us: back to what the modalias picks",
          { { GPU, .driver = "vfio-pci", .native = "nvidia", .override = "vfio-pci" } },
          .config = PLAIN,
          .mode = "host",
          .steps =
                  "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\nprobe 0000:01:00.0\n" },
        { "an override of another tool's is put back as it was",
          { { GPU, .driver = "vfio-pci", .native = "nvidia", .override = "vfio-pci" } },
          { { "0000:01:00.0", "nouveau", "nouveau" } },
          PLAIN,
          "host",
          .steps = "set-override 0000:01:00.0 nouveau\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 nouveau\n" },
        { "an override that stayed behind on a bound function is cleared",
          { { GPU, .driver = "nvidia", .override = "vfio-pci" } },
          .config = PLAIN,
          .mode = "host",
          .steps = "set-override 0000:01:00.0\n" },
        { "a function at rest without a driver is not probed",
          { { GPU } },
          .config = PLAIN,
          .mode = "host" },
        { "another tool's override on the host is left alone",
          { { GPU, .driver = "nouveau", .override = "nouveau" } },
          .config = PLAIN,
          .mode = "host" },
        { "a function whose home was vfio-pci by override comes to the host all the same",
          { { GPU, .driver = "vfio-pci", .native = "nvidia", .override = "vfio-pci" } },
          { { "0000:01:00.0", NULL, "vfio-pci" } },
          PLAIN,
          "host",
          .steps =
                  "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\nprobe 0000:01:00.0\n" },

        /* --- host-driver --- */
        { "host-driver is bound by name",
          { { GPU, .driver = "vfio-pci", .native = "nouveau", .override = "vfio-pci" } },
          .config = DEVICE CONSENT "host-driver = nvidia\n" MODE,
          .mode = "host",
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 nvidia\n" },
        { "host-driver is for function 0 of the slot alone", ON_VFIO, HOMES,
          DEVICE CONSENT "host-driver = nouveau\n" MODE, "host",
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 nouveau\n" RETURN_AUDIO },
        { "host-driver is not for a function 0 of another slot in `also`",
          { { GPU, .driver = "nvidia" },
            { .address = "0000:03:00.0",
              .id = "1b21:1242",
              .class_code = 0x0c0330,
              .group = 12,
              .driver = "vfio-pci",
              .override = "vfio-pci",
              .native = "xhci_hcd" } },
          { { "0000:03:00.0", "xhci_hcd", NULL } },
          DEVICE CONSENT "host-driver = nvidia\nalso = 0000:03:00.0\n" MODE,
          "host",
          .steps = "set-override 0000:03:00.0\nunbind 0000:03:00.0 vfio-pci\n"
                   "bind 0000:03:00.0 xhci_hcd\n" },
        { "host-driver does not fight an override that is put back",
          { { GPU, .driver = "vfio-pci", .native = "nvidia", .override = "vfio-pci" } },
          { { "0000:01:00.0", "nouveau", "nouveau" } },
          DEVICE CONSENT "host-driver = nvidia\n" MODE,
          "host",
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 nvidia\n" },

        /* --- which functions --- */
        { "functions = 0 leaves the others, if the group bears it",
          { { GPU, .driver = "nvidia" }, { AUDIO } },
          .config = DEVICE CONSENT "functions = 0\n" MODE,
          .mode = "passthrough",
          .steps = TAKE_GPU,
          .vfio = "0000:01:00.0 " },
        { "functions = 0, and the audio function is in the way", ON_HOST,
          .config = DEVICE CONSENT "functions = 0\n" MODE, .mode = "passthrough",
          .refusal = REFUSAL_GROUP_NOT_VIABLE, .says = "0000:01:00.1" },
        { "a function that is named and is not there",
          { { GPU, .driver = "nvidia" } },
          .config = DEVICE CONSENT "functions = 0 2\n" MODE,
          .mode = "passthrough",
          .refusal = REFUSAL_NOT_FOUND,
          .says = "0000:01:00.2" },
        { "two identical cards: only the configured one moves",
          { { GPU, .driver = "nvidia" }, { TWIN, .driver = "nvidia" } },
          .config = PLAIN,
          .mode = "passthrough",
          .steps = TAKE_GPU,
          .vfio = "0000:01:00.0 " },
        { "by id alone, and there is one", ON_HOST, .config = BY_ID, .mode = "passthrough",
          .steps = TAKE_AUDIO TAKE_GPU },
        { "by id alone, and the card has moved to another slot",
          { { TWIN, .boot_vga = true, .driver = "nvidia" } },
          .config = BY_ID,
          .mode = "passthrough",
          .steps = "set-override 0000:02:00.0 vfio-pci\nunbind 0000:02:00.0 nvidia\n"
                   "bind 0000:02:00.0 vfio-pci\n" },
        { "by id alone, and there are two",
          { { GPU, .driver = "nvidia" }, { TWIN, .driver = "nvidia" } },
          .config = BY_ID,
          .mode = "passthrough",
          .refusal = REFUSAL_AMBIGUOUS_ID,
          .says = "0000:02:00.0" },
        { "by id alone, and there is none",
          { { NIC, .driver = "e1000e" } },
          .config = BY_ID,
          .mode = "passthrough",
          .refusal = REFUSAL_NOT_FOUND,
          .says = "10de:2484" },
        { "an id counts at function 0 only",
          { { .address = "0000:01:00.3", .id = "10de:2484", .class_code = 0x030000, .group = 12 } },
          .config = BY_ID,
          .mode = "passthrough",
          .refusal = REFUSAL_NOT_FOUND },
        { "also: a member of the group goes with it",
          { { GPU, .driver = "nvidia" },
            { .address = "0000:03:00.0",
              .id = "1b21:1242",
              .class_code = 0x0c0330,
              .group = 12,
              .driver = "xhci_hcd" } },
          .config = DEVICE CONSENT "also = 0000:03:00.0\n" MODE,
          .mode = "passthrough",
          .steps = "set-override 0000:03:00.0 vfio-pci\nunbind 0000:03:00.0 xhci_hcd\n"
                   "bind 0000:03:00.0 vfio-pci\n" TAKE_GPU },
        { "also: nothing is there", ON_HOST, .config = DEVICE CONSENT "also = 0000:03:00.0\n" MODE,
          .mode = "passthrough", .refusal = REFUSAL_NOT_FOUND, .says = "0000:03:00.0" },
        { "also: a bridge is left where it is",
          { { PORT, .driver = "pcieport" }, { GPU, .driver = "nvidia" } },
          .config = DEVICE CONSENT "also = 0000:00:01.0\n" MODE,
          .mode = "passthrough",
          .steps = TAKE_GPU,
          .vfio = "0000:01:00.0 " },
        { "a device whose slot is a bridge moves nothing",
          { { PORT, .driver = "pcieport" } },
          .config = GENERAL "[device gpu]\naddress = 0000:00:01.0\n" MODE,
          .mode = "passthrough",
          .vfio = "" },

        /* --- refusals --- */
        { "a mode that is not configured", ON_HOST, .config = PLAIN, .mode = "gaming",
          .refusal = REFUSAL_UNKNOWN_MODE, .says = "gaming" },
        { "nothing at the address",
          { { NIC, .driver = "e1000e" } },
          .config = PLAIN,
          .mode = "passthrough",
          .refusal = REFUSAL_NOT_FOUND,
          .says = "0000:01:00.0" },
        { "another card at the address: both ids are named",
          { { .address = "0000:01:00.0", .id = "1002:73df", .class_code = 0x030000, .group = 12 } },
          .config = PLAIN,
          .mode = "passthrough",
          .refusal = REFUSAL_OTHER_DEVICE_THERE,
          .says = "10de:2484, but 0000:01:00.0 is a 1002:73df" },
        { "the IOMMU is off", ON_HOST, .config = PLAIN, .mode = "passthrough", .no_iommu = true,
          .refusal = REFUSAL_NO_IOMMU, .says = "intel_iommu=on" },
        { "the function is in no IOMMU group",
          { { .address = "0000:01:00.0", .id = "10de:2484", .class_code = 0x030000 } },
          .config = PLAIN,
          .mode = "passthrough",
          .refusal = REFUSAL_NO_IOMMU },
        { "a foreign device in the group",
          { { GPU, .driver = "nvidia" },
            { .address = "0000:03:00.0",
              .id = "144d:a808",
              .class_code = 0x010802,
              .group = 12,
              .driver = "nvme" } },
          .config = PLAIN,
          .mode = "passthrough",
          .refusal = REFUSAL_GROUP_NOT_VIABLE,
          .says = "0000:03:00.0 (144d:a808), which nvme" },
        { "several foreign devices in the group are named at once",
          { { GPU, .driver = "nvidia" },
            { .address = "0000:03:00.0", .id = "144d:a808", .group = 12, .driver = "nvme" },
            { .address = "0000:04:00.0", .id = "8086:10d3", .group = 12, .driver = "e1000e" },
            { .address = "0000:04:00.1", .id = "8086:10d3", .group = 12, .driver = "e1000e" } },
          .config = PLAIN,
          .mode = "passthrough",
          .refusal = REFUSAL_GROUP_NOT_VIABLE,
          .says = "0000:03:00.0 (144d:a808), which nvme drives, and also 0000:04:00.0 "
                  "0000:04:00.1. Let all of these go" },
        { "in the group: a port, a stub, an unbound one and one on vfio-pci do no harm",
          { { PORT, .driver = "pcieport" },
            { GPU, .driver = "nvidia" },
            { .address = "0000:03:00.0", .id = "144d:a808", .group = 12, .driver = "pci-stub" },
            { .address = "0000:03:00.1", .id = "144d:a808", .group = 12 },
            { .address = "0000:03:00.2", .id = "144d:a808", .group = 12, .driver = "vfio-pci" },
            { .address = "0000:03:00.3",
              .id = "144d:a808",
              .group = 12,
              .variant = "mlx5-vfio-pci" } },
          .config = PLAIN,
          .mode = "passthrough",
          .steps = TAKE_GPU },
        { "a member of the group that this very switch returns to the host",
          { { GPU, .driver = "nvidia" },
            { AUDIO, .driver = "vfio-pci", .override = "vfio-pci", .native = "snd_hda_intel" } },
          { { "0000:01:00.1", "snd_hda_intel", NULL } },
          DEVICE CONSENT "functions = 0\n"
                         "[device audio]\naddress = 0000:01:00.0\nfunctions = 1\n" MODE
                         "[mode sound]\nvfio-devices = audio\n",
          "passthrough",
          .refusal = REFUSAL_GROUP_NOT_VIABLE,
          .says = "0000:01:00.1" },
        { "a function may not come to the host while its group stays on vfio-pci", ON_VFIO, HOMES,
          DEVICE CONSENT "functions = 0\n"
                         "[device audio]\naddress = 0000:01:00.0\nfunctions = 1\n" MODE
                         "[mode both]\nvfio-devices = gpu audio\n",
          "passthrough", .refusal = REFUSAL_GROUP_NOT_VIABLE, .says = "0000:01:00.1" },
        { "the boot display without consent", ON_HOST, .config = DEVICE MODE, .mode = "passthrough",
          .refusal = REFUSAL_DRIVES_THE_CONSOLE, .says = "consent = boot-vga" },
        { "a second display needs no consent",
          { { DISPLAY, .driver = "nvidia" } },
          .config = DEVICE MODE,
          .mode = "passthrough",
          .steps = TAKE_GPU },
        { "a boot display that is gone already needs no consent", ON_VFIO, HOMES, DEVICE MODE,
          "passthrough", .vfio = BOTH },
        { "two devices mean the same function", ON_HOST, .config = TWINS, .mode = "passthrough",
          .refusal = REFUSAL_CONFIG_INVALID, .says = "'gpu' and 'twin'" },
        { "a guest holds what should come back",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .native = "nvidia",
              .holder = 4711 } },
          .config = PLAIN,
          .mode = "host",
          .refusal = REFUSAL_BUSY,
          .says = "4711 (qemu-system-x86)" },
        { "somebody unseen holds what should come back",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .native = "nvidia",
              .holder = HOLDER_UNSEEN } },
          .config = PLAIN,
          .mode = "host",
          .refusal = REFUSAL_BUSY,
          .says = "cannot be seen" },
        { "a guest holds what stays",
          { { GPU, .driver = "vfio-pci", .holder = 4711 } },
          .config = PLAIN,
          .mode = "passthrough" },
        { "a holder of a function on its host driver is no VFIO user",
          { { GPU, .driver = "nvidia", .holder = 4711 } },
          .config = PLAIN,
          .mode = "passthrough",
          .steps = TAKE_GPU },

        /* --- the fallback mode --- */
        { "the fallback mode takes the boot display: refused on the way to another mode", ON_HOST,
          .config = GENERAL "[device gpu]\naddress = 0000:01:00.0\n" CONSENT MODE
                            "[mode host]\nvfio-devices = gpu\n",
          .mode = "passthrough", .refusal = REFUSAL_FALLBACK_TAKES_DISPLAY, .says = "'host'" },
        { "the fallback mode takes the boot display: on the way back it stays with the host",
          ON_VFIO, HOMES,
          GENERAL "[device gpu]\naddress = 0000:01:00.0\n" CONSENT MODE
                  "[mode host]\nvfio-devices = gpu\n",
          "host", .steps = RETURN_GPU, .notes = "take it out of that mode's vfio-devices" },
        { "back: another device is missing, and the rest comes back",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .native = "nvidia" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN ROUTER "[mode host]\nvfio-devices = nic\n",
          "host",
          .steps = RETURN_GPU,
          .notes = "0000:05:00.0" },
        { "back: what the fallback mode wants is not viable",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .native = "nvidia" },
            { NIC, .driver = "e1000e" },
            { .address = "0000:05:00.1",
              .id = "8086:10d3",
              .class_code = 0x020000,
              .group = 15,
              .driver = "e1000e" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN ROUTER "functions = 0\n[mode host]\nvfio-devices = nic\n",
          "host",
          .steps = RETURN_GPU,
          .notes = "IOMMU group 15" },
        { "back: what the fallback mode wants is in use on the host",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .native = "nvidia" },
            { NIC, .driver = "e1000e", .held = true } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN ROUTER "[mode host]\nvfio-devices = nic\n",
          "host",
          .steps = RETURN_GPU,
          .vfio = "",
          .notes = "0000:05:00.0 is in use on the host" },
        { "back: one that stays keeps those of its group that were let through already",
          { { NIC, .driver = "e1000e" },
            { .address = "0000:05:00.1",
              .id = "8086:10d3",
              .class_code = 0x020000,
              .group = 15,
              .driver = "e1000e",
              .held = true } },
          .config = GENERAL ROUTER "[mode host]\nvfio-devices = nic\n",
          .mode = "host",
          .vfio = "",
          .notes = "0000:05:00.1 is in use on the host" },
        { "back: the IOMMU is off",
          { { NIC, .driver = "e1000e" } },
          .no_iommu = true,
          .config = GENERAL ROUTER "[mode host]\nvfio-devices = nic\n",
          .mode = "host",
          .vfio = "",
          .notes = "IOMMU" },
        { "back: the card at the address is another one, and ours has a home",
          { { .address = "0000:01:00.0",
              .id = "1002:73df",
              .class_code = 0x030000,
              .group = 12,
              .driver = "vfio-pci",
              .override = "vfio-pci" } },
          { { "0000:01:00.0", "amdgpu", NULL } },
          PLAIN,
          "host",
          .steps = "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\n"
                   "bind 0000:01:00.0 amdgpu\n",
          .notes = "1002:73df" },
        { "back: two devices mean the same function",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          TWINS,
          "host",
          .steps = RETURN_GPU,
          .notes = "'gpu' and 'twin'" },
        { "back: what is no longer configured comes back by its home alone", ON_VFIO, HOMES,
          GENERAL "[mode host]\n", "host", .steps = RETURN_GPU RETURN_AUDIO },
        { "back: what we moved was pulled out since",
          { { NIC, .driver = "e1000e" } },
          HOMES,
          GENERAL,
          "host",
          .vfio = "" },
        { "a device that no mode's switch needs is missing: a note",
          { { GPU, .driver = "nvidia" } },
          .config = PLAIN ROUTER,
          .mode = "passthrough",
          .steps = TAKE_GPU,
          .notes = "0000:05:00.0" },

        { "mend: the override of what we moved was cleared",
          { { GPU, .driver = "vfio-pci", .native = "nvidia" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN,
          "passthrough",
          .steps = "set-override 0000:01:00.0 vfio-pci\n" },
        { "what another bound by new_id is left as it is",
          { { GPU, .driver = "vfio-pci", .native = "nvidia" } },
          .config = PLAIN,
          .mode = "passthrough" },
        { "mend: a host function was unbound, and a driver for it is there",
          { { GPU, .native = "nvidia", .will_bind = true }, { AUDIO } },
          .config = PLAIN,
          .mode = "host",
          .steps = "coldplug 0000:01:00.0\n" },

        /* --- modules --- */
        { "vfio-pci is not loaded",
          { { GPU, .driver = "nvidia" } },
          .config = PLAIN,
          .mode = "passthrough",
          .no_vfio_pci = true,
          .steps = "load-module vfio-pci\n" TAKE_GPU },
        { "vfio_iommu_type1 is not loaded",
          { { GPU, .driver = "nvidia" } },
          .config = PLAIN,
          .mode = "passthrough",
          .no_type1 = true,
          .steps = "load-module vfio_iommu_type1\n" TAKE_GPU },
        { "on the way back no VFIO module is asked for", ON_VFIO, HOMES, PLAIN, "host",
          .no_vfio_pci = true, .no_type1 = true, .steps = RETURN_GPU RETURN_AUDIO },

        /* --- early boot --- */
        { "early: a stranger in the group that udev will bind in a moment",
          { { GPU, .native = "nvidia" },
            { "0000:05:00.0", "8086:10d3", 0x020000, .group = 12, .will_bind = true } },
          .config = PLAIN,
          .mode = "passthrough",
          .early = true,
          .refusal = REFUSAL_GROUP_NOT_VIABLE,
          .says = "0000:05:00.0" },
        { "early: so will be what is configured, and not this mode's",
          { { GPU, .native = "nvidia" }, { "0000:05:00.0", "8086:10d3", 0x020000, .group = 12 } },
          .config = PLAIN ROUTER,
          .mode = "passthrough",
          .early = true,
          .refusal = REFUSAL_GROUP_NOT_VIABLE,
          .says = "0000:05:00.0 (8086:10d3), which the host drives" },
        { "later nobody binds it",
          { { GPU, .native = "nvidia" }, { "0000:05:00.0", "8086:10d3", 0x020000, .group = 12 } },
          .config = PLAIN ROUTER,
          .mode = "passthrough",
          .steps = "set-override 0000:01:00.0 vfio-pci\nbind 0000:01:00.0 vfio-pci\n" },
        { "early: what the initramfs has kept is let go at the end of the boot",
          { { GPU, .override = INITRAMFS_OVERRIDE, .native = "nvidia" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN,
          "host",
          .early = true },
        { "and by a switch, where it was not",
          { { GPU, .override = INITRAMFS_OVERRIDE, .native = "nvidia" } },
          { { "0000:01:00.0", "nvidia", NULL } },
          PLAIN,
          "host",
          .steps = "set-override 0000:01:00.0\nbind 0000:01:00.0 nvidia\n" },
        { "early: what nobody has bound yet is bound to vfio-pci",
          { { GPU }, { AUDIO } },
          .config = PLAIN,
          .mode = "passthrough",
          .early = true,
          .steps = "set-override 0000:01:00.1 vfio-pci\nbind 0000:01:00.1 vfio-pci\n"
                   "set-override 0000:01:00.0 vfio-pci\nbind 0000:01:00.0 vfio-pci\n" },
        { "early: what the initramfs has bound is moved off", ON_HOST, .config = PLAIN,
          .mode = "passthrough", .early = true, .steps = TAKE_AUDIO TAKE_GPU },
        { "early: what is wanted on the host is left to udev",
          { { GPU }, { AUDIO } },
          .config = PLAIN,
          .mode = "host",
          .early = true },
        { "early: also with a host-driver",
          { { GPU } },
          .config = DEVICE CONSENT "host-driver = nvidia\n" MODE,
          .mode = "host",
          .early = true },
        { "early: what the initramfs gave to vfio-pci goes back to the coldplug",
          { { GPU, .driver = "vfio-pci", .override = "vfio-pci", .native = "nvidia" } },
          .config = PLAIN,
          .mode = "host",
          .early = true,
          .steps =
                  "set-override 0000:01:00.0\nunbind 0000:01:00.0 vfio-pci\ncoldplug 0000:01:00.0\n" },
        { "early: an override of ours on an unbound function is cleared",
          { { GPU, .override = "vfio-pci", .native = "nvidia" } },
          .config = PLAIN,
          .mode = "host",
          .early = true,
          .steps = "set-override 0000:01:00.0\ncoldplug 0000:01:00.0\n" },
};

/* --- running a row --- */

static void build(const Row *row, Machine *machine) {
        machine_init(machine);
        for (size_t i = 0; i < ROW_FUNCTIONS && row->functions[i].address; i++)
                machine_add(machine, &row->functions[i]);
        for (size_t i = 0; i < ROW_HOMES && row->homes[i].address; i++)
                machine_add_home(machine, row->homes[i].address, row->homes[i].driver,
                                 row->homes[i].override);
        machine->host.iommu = !row->no_iommu;
        machine->host.vfio_pci = !row->no_vfio_pci;
        machine->host.vfio_iommu_type1 = !row->no_type1;
        machine_configure(machine, row->config);
}

static void check_notes(const Row *row, const Plan *plan) {
        bool found = false;

        for (size_t i = 0; i < plan->n_notes; i++)
                found |= row->notes && strstr(plan->notes[i], row->notes);
        if (plan->n_notes > 0 && !found)
                print_error("note: %s\n", plan->notes[0]);
        assert_int_equal(found, row->notes != NULL);
        assert_true(found || plan->n_notes == 0);
}

static void check_vfio(const Row *row, const Plan *plan) {
        char text[512] = "";

        for (size_t i = 0; i < plan->n_vfio; i++) {
                char address[PCI_ADDRESS_SIZE];

                (void)strcat(strcat(text, pci_address_format(plan->vfio[i], address)), " ");
        }
        if (row->vfio)
                assert_string_equal(text, row->vfio);
}

static void test_row(void **state) {
        const Row *row = *state;
        Machine *machine = malloc(sizeof(*machine));
        Plan *plan = malloc(sizeof(*plan));
        Refusal refusal = { 0 };
        char text[4096];
        RefusalKind kind;

        assert_true(machine && plan);
        build(row, machine);
        kind = machine_plan(machine, row->mode, row->early, plan, &refusal);
        if (kind != row->refusal)
                print_error("%s: %s\n", refusal_name(kind),
                            kind != REFUSAL_NONE ? refusal.text : "");
        assert_string_equal(refusal_name(kind), refusal_name(row->refusal));
        if (kind != REFUSAL_NONE) {
                assert_int_equal(refusal.kind, kind);
                if (!strstr(refusal.text, row->says ? row->says : ""))
                        assert_string_equal(refusal.text, row->says);
                assert_null(strchr(refusal.text, '\n'));
        } else {
                assert_string_equal(plan->mode, row->mode);
                assert_string_equal(plan_text(plan, text, sizeof(text)),
                                    row->steps ? row->steps : "");
                check_vfio(row, plan);
                check_notes(row, plan);
        }
        free(plan);
        free(machine);
}

/* --- what is no row --- */

static void test_too_many_functions(void **state) {
        static const char *const modes[] = { "passthrough", "host" };
        Machine *machine = malloc(sizeof(*machine));
        Plan *plan = malloc(sizeof(*plan));
        char config[8192] = GENERAL, names[1024] = "";
        Refusal refusal;

        machine_init(machine);
        for (unsigned i = 0; i < RUN_STATE_FUNCTIONS_MAX + 1; i++) {
                char address[32], line[128];
                Words words = { .address = address,
                                .id = "10de:228b",
                                .class_code = 0x040300,
                                .driver = "snd_hda_intel",
                                .group = 12 };

                (void)snprintf(address, sizeof(address), "0000:%02x:00.%u", 1 + i / 8, i % 8);
                machine_add(machine, &words);
                (void)snprintf(line, sizeof(line), "[device d%u]\naddress = 0000:%02x:00.0\n",
                               i / 8, 1 + i / 8);
                if (i % 8 == 0)
                        (void)strcat(config, line);
                (void)snprintf(line, sizeof(line), " d%u", i / 8);
                if (i % 8 == 0)
                        (void)strcat(names, line);
        }
        (void)strcat(strcat(strcat(config, "[mode passthrough]\nvfio-devices ="), names), "\n");
        machine_configure(machine, config);
        assert_int_equal(machine_plan(machine, modes[0], false, plan, &refusal),
                         REFUSAL_CONFIG_INVALID);
        assert_non_null(strstr(refusal.text, "more than 64"));
        assert_int_equal(machine_plan(machine, modes[1], false, plan, &refusal), REFUSAL_NONE);
        assert_true(plan->n_notes > 0);
        free(plan);
        free(machine);
}

static void test_notes_are_bounded(void **state) {
        Machine *machine = malloc(sizeof(*machine));
        Plan *plan = malloc(sizeof(*plan));
        char config[8192] = GENERAL;
        Refusal refusal;

        machine_init(machine);
        for (unsigned i = 0; i < PLAN_NOTES_MAX + 4; i++) {
                char line[64];

                (void)snprintf(line, sizeof(line), "[device d%u]\naddress = 0000:%02x:00.0\n", i,
                               i);
                (void)strcat(config, line);
        }
        machine_configure(machine, config);
        assert_int_equal(machine_plan(machine, "host", false, plan, &refusal), REFUSAL_NONE);
        assert_int_equal(plan->n_notes, PLAN_NOTES_MAX);
        free(plan);
        free(machine);
}

static void test_device_of(void **state) {
        Machine *machine = malloc(sizeof(*machine));
        const ConfigDevice *device;

        machine_init(machine);
        machine_add(machine, &(Words){ NIC });
        machine_add(machine, &(Words){ TWIN });
        machine_configure(machine, PLAIN ROUTER);
        device = config_device_of(&machine->config, &machine->host, (PciAddress){ 0, 5, 0, 0 });
        assert_non_null(device);
        assert_string_equal(device->name, "nic");
        assert_null(config_device_of(&machine->config, &machine->host, (PciAddress){ 0, 2, 0, 0 }));
        assert_null(config_device_of(&machine->config, &machine->host, (PciAddress){ 0, 1, 0, 0 }));
        free(machine);
}

int main(void) {
        struct CMUnitTest tests[ARRAY_SIZE(rows) + 3] = {
                { "the 65th function is one too many", test_too_many_functions, NULL, NULL, NULL },
                { "notes beyond the sixteenth are dropped", test_notes_are_bounded, NULL, NULL,
                  NULL },
                { "a function is found in the device that it is configured in", test_device_of,
                  NULL, NULL, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                tests[3 + i] = (struct CMUnitTest){ rows[i].title, test_row, NULL, NULL,
                                                    (void *)(uintptr_t)&rows[i] };
        return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
