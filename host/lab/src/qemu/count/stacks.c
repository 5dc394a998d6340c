// A plugin for QEMU that looks at its guest each time that about EVERY instructions were executed, and writes a line
// to a file: the program counter, the register ra and the return addresses in the frames, the innermost first.
//
//     -plugin plugin.so,out=FILE,every=N
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
struct qemu_plugin_scoreboard;
struct qemu_plugin_register;

typedef struct {
    struct qemu_plugin_scoreboard *elements;
    size_t offset;
} per_cpu;

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

enum { ADD = 0, READS_REGISTERS = 1, GREATER_OR_EQUAL = 7 };

bytes *g_byte_array_new(void);
bytes *g_byte_array_set_size(bytes *array, unsigned length);
bytes *g_byte_array_free(bytes *array, int segment);
void *g_array_free(descriptions *array, int segment);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
void qemu_plugin_u64_set(per_cpu numbers, unsigned cpu, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
descriptions *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle, bytes *value);
bool qemu_plugin_read_memory_vaddr(uint64_t address, bytes *value, size_t length);
void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*call)(uint64_t id, unsigned cpu));
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t id, struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *block, int operation, per_cpu numbers,
                                                       uint64_t operand);
void qemu_plugin_register_vcpu_tb_exec_cond_cb(struct qemu_plugin_tb *block, void (*call)(unsigned cpu, void *data),
                                               int flags, int condition, per_cpu numbers, uint64_t operand, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);

// The oldest version of the interface with all of them: QEMU 10.0.
int qemu_plugin_version = 4;

// The upper half of the addresses is the kernel's. A frame pointer of the firmware's is not followed.
static const uint64_t KERNEL = UINT64_C(1) << 63;
enum { MOST_FRAMES = 200, MOST_CPUS = 64 };

static per_cpu executed;
static uint64_t every;
static FILE *out;
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

// QEMU calls this before a block of instructions whenever enough of them were executed since the last time.
static void look(unsigned cpu, void *block_start)
{
    qemu_plugin_u64_set(executed, cpu, 0);
    uint64_t pc = (uintptr_t)block_start;
    bytes *buffer = g_byte_array_new();
    char line[(MOST_FRAMES + 3) * 17];
    int length = sprintf(line, "%" PRIx64, pc);
    if (pc >= KERNEL && cpu < MOST_CPUS) {
        length += sprintf(line + length, " %" PRIx64, register_value(ra[cpu], buffer));
        uint64_t frame = register_value(fp[cpu], buffer);
        for (int i = 0; i < MOST_FRAMES && frame >= KERNEL && frame % 8 == 0; i++) {
            if (!qemu_plugin_read_memory_vaddr(frame - 16, buffer, 16)) {
                break;
            }
            uint64_t caller_frame = number(buffer->data), return_address = number(buffer->data + 8);
            if (return_address < KERNEL) {
                break;
            }
            length += sprintf(line + length, " %" PRIx64, return_address);
            // Stacks grow downwards, so that a caller's frame is higher. Anything else would be a loop.
            if (caller_frame <= frame) {
                break;
            }
            frame = caller_frame;
        }
    }
    g_byte_array_free(buffer, 1);
    // One call, which locks the file: other CPUs may be about to write, too.
    strcpy(line + length, "\n");
    fputs(line, out);
}

// QEMU calls this for each block of instructions that it translates.
static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    void *start = (void *)(uintptr_t)qemu_plugin_tb_vaddr(block);
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD, executed, qemu_plugin_tb_n_insns(block));
    qemu_plugin_register_vcpu_tb_exec_cond_cb(block, look, READS_REGISTERS, GREATER_OR_EQUAL, executed, every, start);
}

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

static void ended(uint64_t id, void *data)
{
    (void)id;
    (void)data;
    fclose(out);
}

int qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv)
{
    static const char OUT[] = "out=", EVERY[] = "every=";

    (void)information;
    if (argc == 2 && strncmp(argv[0], OUT, strlen(OUT)) == 0 && strncmp(argv[1], EVERY, strlen(EVERY)) == 0) {
        out = fopen(argv[0] + strlen(OUT), "w");
        every = strtoull(argv[1] + strlen(EVERY), NULL, 10);
    }
    if (out == NULL || every == 0) {
        fprintf(stderr, "the plugin takes two arguments, out=FILE and every=N\n");
        return 1;
    }
    executed.elements = qemu_plugin_scoreboard_new(sizeof(uint64_t));
    qemu_plugin_register_vcpu_init_cb(id, started);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
