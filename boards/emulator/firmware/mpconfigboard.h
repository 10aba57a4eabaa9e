// A Raspberry Pi Pico whose UART is a network interface: the socket, network and TLS modules of
// a Pico W over PPP, since there is no radio to emulate.
#define MICROPY_HW_BOARD_NAME               "Emulator"
#define MICROPY_HW_FLASH_STORAGE_BYTES      (1024 * 1024)
#define MICROPY_PY_NETWORK                  (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "emulator"
#define MICROPY_PY_NETWORK_PPP_LWIP         (1)
// Stock boards have none: for `board deploy --to romfs`, between the firmware and the file system.
#define MICROPY_HW_ROMFS_BYTES              (128 * 1024)
