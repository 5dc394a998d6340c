# gdb's commands at the start of a session, once it is connected (tools/gdb.sh).

set confirm off
set pagination off
set print pretty on

# A method of a trait is a function in a block `impl`, and gdb gives that a number. A part of the name is enough.
break write_block
