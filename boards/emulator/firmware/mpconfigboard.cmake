# A Raspberry Pi Pico whose UART is a network interface.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(MICROPY_PY_LWIP ON)
