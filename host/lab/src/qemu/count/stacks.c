// A plugin for QEMU that looks at its guest each time that about EVERY instructions were executed, and writes a line
// to a file: the stack, as `write_stack` in frames.c does.
//
//     -plugin plugin.so,out=FILE,every=N

struct qemu_plugin_scoreboard;

typedef struct {
    struct qemu_plugin_scoreboard *elements;
    size_t offset;
} per_cpu;

enum { ADD = 0, GREATER_OR_EQUAL = 7 };

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
void qemu_plugin_u64_set(per_cpu numbers, unsigned cpu, uint64_t value);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *block, int operation, per_cpu numbers,
                                                       uint64_t operand);
void qemu_plugin_register_vcpu_tb_exec_cond_cb(struct qemu_plugin_tb *block, void (*call)(unsigned cpu, void *data),
                                               int flags, int condition, per_cpu numbers, uint64_t operand, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);

static per_cpu executed;
static uint64_t every;
static FILE *out;

// QEMU calls this before a block of instructions whenever enough of them were executed since the last time.
static void look(unsigned cpu, void *block_start)
{
    qemu_plugin_u64_set(executed, cpu, 0);
    char line[STACK_TEXT + 1];
    int length = write_stack(line, cpu, (uintptr_t)block_start);
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
