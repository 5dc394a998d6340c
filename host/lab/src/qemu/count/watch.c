// A plugin for QEMU that writes a line to QEMU's log whenever its guest enters or leaves one of some functions, and
// whenever an instruction of others loads or stores something outside of its own frame:
//
//     watch SECONDS.MICROSECONDS enter STACK
//     watch SECONDS.MICROSECONDS leave ADDRESS-OF-THE-INSTRUCTION
//     watch SECONDS.MICROSECONDS load PHYSICAL-ADDRESS BYTES VALUE STACK
//     watch SECONDS.MICROSECONDS store PHYSICAL-ADDRESS BYTES VALUE STACK
//
// The clock is the one of QEMU's traces, and the log is theirs, too, so that its lines are in the order in which
// things happened, whichever thread they happened in. STACK is as `write_stack` in frames.c writes it.
//
//     -plugin plugin.so,calls=FROM-TO,accesses=FROM-TO    -d plugin -D FILE
//
// Both arguments may be repeated, and are addresses in hexadecimal; TO is the first one behind the function.

#include <sys/time.h>

struct qemu_plugin_hwaddr;

typedef struct {
    int type;
    union {
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        struct {
            uint64_t low;
            uint64_t high;
        } u128;
    } data;
} memory_value;

enum { LOADS_AND_STORES = 3 };

void qemu_plugin_outs(const char *text);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *to, size_t length);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, void (*call)(unsigned cpu, void *data),
                                            int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction,
                                      void (*call)(unsigned cpu, uint32_t access, uint64_t address, void *data),
                                      int flags, int which, void *data);
bool qemu_plugin_mem_is_store(uint32_t access);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
memory_value qemu_plugin_mem_get_value(uint32_t access);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t access, uint64_t address);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *address);

typedef struct {
    uint64_t from, to;
} range;

enum { MOST_RANGES = 64, LARGEST_FRAME = 4096 };

typedef struct {
    range ranges[MOST_RANGES];
    size_t count;
} functions;

static functions calls, accesses;

static const range *around(const functions *watched, uint64_t address)
{
    for (size_t i = 0; i < watched->count; i++) {
        if (address >= watched->ranges[i].from && address < watched->ranges[i].to) {
            return &watched->ranges[i];
        }
    }
    return NULL;
}

// Begins a line with the time, and gives its length.
static int begin_line(char *line, const char *what)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return sprintf(line, "watch %lld.%06lld %s ", (long long)now.tv_sec, (long long)now.tv_usec, what);
}

enum { BEGINNING = 128 };

static void entered(unsigned cpu, void *address)
{
    char line[BEGINNING + STACK_TEXT + 1];
    int length = begin_line(line, "enter");
    length += write_stack(line + length, cpu, (uintptr_t)address);
    strcpy(line + length, "\n");
    qemu_plugin_outs(line);
}

static void left(unsigned cpu, void *pc)
{
    (void)cpu;
    char line[BEGINNING];
    int length = begin_line(line, "leave");
    sprintf(line + length, "%" PRIx64 "\n", (uint64_t)(uintptr_t)pc);
    qemu_plugin_outs(line);
}

static void accessed(unsigned cpu, uint32_t access, uint64_t address, void *pc)
{
    bytes *buffer = g_byte_array_new();
    uint64_t frame = cpu < MOST_CPUS ? register_value(fp[cpu], buffer) : 0;
    g_byte_array_free(buffer, 1);
    struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(access, address);
    if (place == NULL || (address < frame && frame - address <= LARGEST_FRAME)) {
        return;
    }
    memory_value found = qemu_plugin_mem_get_value(access);
    unsigned shift = qemu_plugin_mem_size_shift(access);
    uint64_t value = shift == 0 ? found.data.u8 : shift == 1 ? found.data.u16 : shift == 2 ? found.data.u32 : found.data.u64;
    char line[BEGINNING + STACK_TEXT + 1];
    int length = begin_line(line, qemu_plugin_mem_is_store(access) ? "store" : "load");
    length += sprintf(line + length, "%" PRIx64 " %u %" PRIx64 " ", qemu_plugin_hwaddr_phys_addr(place), 1U << shift,
                      value);
    length += write_stack(line + length, cpu, (uintptr_t)pc);
    strcpy(line + length, "\n");
    qemu_plugin_outs(line);
}

// The instruction `ret` has a short form and a long one.
static bool returns(const struct qemu_plugin_insn *instruction)
{
    uint8_t data[4];
    size_t length = qemu_plugin_insn_data(instruction, data, sizeof data);
    return (length == 2 && memcmp(data, "\x82\x80", 2) == 0) || (length == 4 && memcmp(data, "\x67\x80\x00\x00", 4) == 0);
}

// QEMU calls this for each block of instructions that it translates.
static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        const range *function = around(&calls, address);
        if (function != NULL && address == function->from) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, entered, READS_REGISTERS, (void *)(uintptr_t)address);
        } else if (function != NULL && returns(instruction)) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, left, 0, (void *)(uintptr_t)address);
        }
        if (around(&accesses, address) != NULL) {
            qemu_plugin_register_vcpu_mem_cb(instruction, accessed, READS_REGISTERS, LOADS_AND_STORES,
                                             (void *)(uintptr_t)address);
        }
    }
}

// Reads an argument NAME=FROM-TO.
static bool add(functions *watched, const char *name, const char *argument)
{
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0 || watched->count == MOST_RANGES) {
        return false;
    }
    char *end;
    range *next = &watched->ranges[watched->count++];
    next->from = strtoull(argument + length, &end, 16);
    next->to = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
    return *end == '\0' && next->from < next->to;
}

int qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv)
{
    (void)information;
    for (int i = 0; i < argc; i++) {
        if (!add(&calls, "calls=", argv[i]) && !add(&accesses, "accesses=", argv[i])) {
            fprintf(stderr, "the plugin takes at most %d arguments calls=FROM-TO and accesses=FROM-TO\n", MOST_RANGES);
            return 1;
        }
    }
    qemu_plugin_register_vcpu_init_cb(id, started);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
