// The part that plugins for QEMU have in common which follow the frame pointers of their guest. It is put in front of
// each of them.
//
// The guest is one for RISC-V whose functions keep frame pointers (rustc's -Cforce-frame-pointers): behind the
// address in fp, downwards, lie the return address and the caller's fp.
//
// The functions of QEMU and of GLib, which QEMU brings, are declared here, so that nothing but a compiler is needed.

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_register;

typedef struct {
    uint8_t *data;
    unsigned length;
} bytes;

typedef struct {
    struct qemu_plugin_register *handle;
    const char *name;
    const char *feature;
} description;

typedef struct {
    description *data;
    unsigned length;
} descriptions;

enum { READS_REGISTERS = 1 };

bytes *g_byte_array_new(void);
bytes *g_byte_array_set_size(bytes *array, unsigned length);
bytes *g_byte_array_free(bytes *array, int segment);
void *g_array_free(descriptions *array, int segment);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
descriptions *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle, bytes *value);
bool qemu_plugin_read_memory_vaddr(uint64_t address, bytes *value, size_t length);
void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*call)(uint64_t id, unsigned cpu));
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t id, struct qemu_plugin_tb *block));

// The oldest version of the interface with all of them: QEMU 10.0.
int qemu_plugin_version = 4;

// The upper half of the addresses is the kernel's. A frame pointer of the firmware's is not followed.
static const uint64_t KERNEL = UINT64_C(1) << 63;
enum { MOST_FRAMES = 200, MOST_CPUS = 64, STACK_TEXT = (MOST_FRAMES + 2) * 17 + 1 };

static struct qemu_plugin_register *ra[MOST_CPUS], *fp[MOST_CPUS];

static uint64_t number(const uint8_t *little_endian)
{
    uint64_t value;
    memcpy(&value, little_endian, sizeof value);
    return value;
}

static uint64_t register_value(struct qemu_plugin_register *handle, bytes *buffer)
{
    g_byte_array_set_size(buffer, 0);
    return handle != NULL && qemu_plugin_read_register(handle, buffer) == 8 ? number(buffer->data) : 0;
}

// Writes a stack as text: the program counter, the register ra and the return addresses in the frames, the innermost
// first. Gives the length.
static int write_stack(char text[STACK_TEXT], unsigned cpu, uint64_t pc)
{
    int length = sprintf(text, "%" PRIx64, pc);
    if (pc < KERNEL || cpu >= MOST_CPUS) {
        return length;
    }
    bytes *buffer = g_byte_array_new();
    length += sprintf(text + length, " %" PRIx64, register_value(ra[cpu], buffer));
    uint64_t frame = register_value(fp[cpu], buffer);
    for (int i = 0; i < MOST_FRAMES && frame >= KERNEL && frame % 8 == 0; i++) {
        if (!qemu_plugin_read_memory_vaddr(frame - 16, buffer, 16)) {
            break;
        }
        uint64_t caller_frame = number(buffer->data), return_address = number(buffer->data + 8);
        if (return_address < KERNEL) {
            break;
        }
        length += sprintf(text + length, " %" PRIx64, return_address);
        // Stacks grow downwards, so that a caller's frame is higher. Anything else would be a loop.
        if (caller_frame <= frame) {
            break;
        }
        frame = caller_frame;
    }
    g_byte_array_free(buffer, 1);
    return length;
}

// Finds the registers that are needed, for a CPU that starts.
static void started(uint64_t id, unsigned cpu)
{
    (void)id;
    descriptions *all = qemu_plugin_get_registers();
    for (unsigned i = 0; i < all->length && cpu < MOST_CPUS; i++) {
        const char *name = all->data[i].name;
        if (strcmp(name, "ra") == 0) {
            ra[cpu] = all->data[i].handle;
        } else if (strcmp(name, "fp") == 0) {
            fp[cpu] = all->data[i].handle;
        }
    }
    g_array_free(all, 1);
}
