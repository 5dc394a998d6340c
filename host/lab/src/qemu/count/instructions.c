// A plugin for QEMU that counts the instructions that its guest executes, and writes their number to a file in
// the end: -plugin plugin.so,out=FILE
//
// The functions of QEMU that it calls are declared here, so that nothing but a compiler is needed to build it.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

// A number for each virtual CPU, somewhere in an array with an element for each.
typedef struct {
    struct qemu_plugin_scoreboard *elements;
    size_t offset;
} per_cpu;

enum { ADD = 0 };

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
uint64_t qemu_plugin_u64_sum(per_cpu numbers);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t id, struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *instruction, int operation,
                                                         per_cpu numbers, uint64_t operand);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*call)(uint64_t id, void *data), void *data);

// The oldest version of the interface with all of them: QEMU 9.0.
int qemu_plugin_version = 2;

static per_cpu executed;

// QEMU calls this for each block of instructions that it translates.
static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        // Each for itself: an exception may leave the block at any of them.
        qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(qemu_plugin_tb_get_insn(block, i), ADD, executed, 1);
    }
}

static void ended(uint64_t id, void *path)
{
    (void)id;
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        fprintf(file, "%llu\n", (unsigned long long)qemu_plugin_u64_sum(executed));
        fclose(file);
    }
}

int qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv)
{
    static const char OUT[] = "out=";

    (void)information;
    if (argc != 1 || strncmp(argv[0], OUT, strlen(OUT)) != 0) {
        fprintf(stderr, "the plugin takes one argument, out=FILE\n");
        return 1;
    }
    executed.elements = qemu_plugin_scoreboard_new(sizeof(uint64_t));
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, argv[0] + strlen(OUT));
    return 0;
}
