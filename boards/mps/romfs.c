// SPDX-License-Identifier: MIT
// vfs.rom_ioctl: the ROMFS segment in the shared memory. MicroPython mounts it at /rom at start-up; files in it are read
// in place. `mpremote romfs deploy` writes it through here, the host by writing the shared file.

#include <string.h>

#include "py/mperrno.h"
#include "py/objarray.h"
#include "py/runtime.h"
#include "extmod/vfs.h"
#include "board.h"

#define WRITE_ALIGNMENT (4)

static const MP_DEFINE_MEMORYVIEW_OBJ(segment_obj, 'B', 0, ROMFS_SIZE, (void *)ROMFS_ADDRESS);

// args: request[, segment[, length or offset[, buffer]]]
mp_obj_t mp_vfs_rom_ioctl(size_t n_args, const mp_obj_t *args) {
    mp_int_t request = mp_obj_get_int(args[0]);
    if (request == MP_VFS_ROM_IOCTL_GET_NUMBER_OF_SEGMENTS) {
        return MP_OBJ_NEW_SMALL_INT(1);
    }
    if (n_args < 2 || mp_obj_get_int(args[1]) != 0) {
        return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
    }
    if (request == MP_VFS_ROM_IOCTL_GET_SEGMENT) {
        return MP_OBJ_FROM_PTR(&segment_obj);
    }
    if (request == MP_VFS_ROM_IOCTL_WRITE_PREPARE && n_args == 3) {
        mp_uint_t length = mp_obj_get_int(args[2]);
        return MP_OBJ_NEW_SMALL_INT(length <= ROMFS_SIZE ? WRITE_ALIGNMENT : -MP_ENOMEM);
    }
    if (request == MP_VFS_ROM_IOCTL_WRITE && n_args == 4) {
        mp_uint_t offset = mp_obj_get_int(args[2]);
        mp_buffer_info_t buffer;
        mp_get_buffer_raise(args[3], &buffer, MP_BUFFER_READ);
        if (offset > ROMFS_SIZE || buffer.len > ROMFS_SIZE - offset) {
            return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
        }
        memcpy((uint8_t *)ROMFS_ADDRESS + offset, buffer.buf, buffer.len);
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    if (request == MP_VFS_ROM_IOCTL_WRITE_COMPLETE) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
}
