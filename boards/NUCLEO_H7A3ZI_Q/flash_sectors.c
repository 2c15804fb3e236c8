// SPDX-License-Identifier: MIT
//
// Sectors of the STM32H7A3's flash: 256 of 8 KB in two banks (RM0455, section 4.3). MicroPython's flash.c takes
// every STM32H7 for one with 16 sectors of 128 KB, and would erase others than those it was asked for. The linker
// puts these two functions in place of its own (--wrap in mpconfigboard.mk); its writing is right for this chip.

#include "py/mphal.h"
#include "flash.h"

#define SECTOR_BYTES (8192u)
#define SECTORS (256u)
#define BANK_SECTORS (SECTORS / 2)

int32_t __wrap_flash_get_sector_info(uint32_t addr, uint32_t *start_addr, uint32_t *size);
int __wrap_flash_erase(uint32_t flash_dest);

// Number of the sector that holds an address, -1 outside the flash.
int32_t __wrap_flash_get_sector_info(uint32_t addr, uint32_t *start_addr, uint32_t *size) {
    if (addr < FLASH_BASE || addr - FLASH_BASE >= SECTORS * SECTOR_BYTES) {
        return -1;
    }
    uint32_t sector = (addr - FLASH_BASE) / SECTOR_BYTES;
    if (start_addr != NULL) {
        *start_addr = FLASH_BASE + sector * SECTOR_BYTES;
    }
    if (size != NULL) {
        *size = SECTOR_BYTES;
    }
    return (int32_t)sector;
}

// Erases the sector that holds an address; 0 or a negative errno.
int __wrap_flash_erase(uint32_t flash_dest) {
    int32_t sector = __wrap_flash_get_sector_info(flash_dest, NULL, NULL);
    if (sector < 0) {
        return -MP_EINVAL;
    }
    bool second = (uint32_t)sector >= BANK_SECTORS;
    if (READ_BIT(FLASH->OPTCR, FLASH_OPTCR_SWAP_BANK) != 0) {
        second = !second;
    }
    FLASH_EraseInitTypeDef erase = {
        .TypeErase = FLASH_TYPEERASE_SECTORS,
        .Banks = second ? FLASH_BANK_2 : FLASH_BANK_1,
        .Sector = (uint32_t)sector % BANK_SECTORS,
        .NbSectors = 1,
    };
    uint32_t failed = 0;
    HAL_FLASH_Unlock();
    __HAL_FLASH_CLEAR_FLAG(FLASH_FLAG_ALL_ERRORS_BANK1 | FLASH_FLAG_ALL_ERRORS_BANK2);
    HAL_StatusTypeDef status = HAL_FLASHEx_Erase(&erase, &failed);
    HAL_FLASH_Lock();
    return mp_hal_status_to_neg_errno(status);
}
