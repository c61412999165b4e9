/* corten: finds the command, reads its options and turns its status into an exit code:
 * 0 the work was done, 1 it failed, 2 it was asked for wrongly. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "manual.h"
#include "text.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_overview(FILE *to)
{
    fprintf(to,
            "corten %s: runs ONNX models\n\nUsage: corten COMMAND [OPTION]... OPERAND...\n\n"
            "Commands:\n",
            corten_version());
    for (size_t i = 0; ct_cli_commands[i]; i++)
        fprintf(to, "  %-10s%s\n", ct_cli_commands[i]->name, ct_cli_commands[i]->summary);
    fprintf(to, "  %-10s%s\n\n", "help", "print this, or the help of a command");
    fprintf(to, "'corten help --man' and 'corten help --completion bash|zsh|fish' print the manual "
                "page and\n"
                "what completes commands and options in a shell.\n");
    fprintf(to, "'corten COMMAND --help' lists the options of a command; 'corten --version' prints "
                "the version.\nExit codes: 0 done, 1 the work failed, 2 wrong usage.\n");
}

static void print_help(const struct ct_cli_command *command, FILE *to)
{
    fprintf(to, "Usage: corten %s [OPTION]... %s\n\n%c%s.\n", command->name, command->operands,
            toupper((unsigned char)command->summary[0]), command->summary + 1);
    if (command->details)
        fprintf(to, "\n%s\n", command->details);
    ct_cli_options_print(command->groups, to);
}

static const struct ct_cli_command *find(const char *name)
{
    enum { NAMES_MAX = 32 };
    const char *names[NAMES_MAX] = {"help"};
    size_t count = 1;
    for (size_t i = 0; ct_cli_commands[i]; i++) {
        if (strcmp(ct_cli_commands[i]->name, name) == 0)
            return ct_cli_commands[i];
        if (count < NAMES_MAX)
            names[count++] = ct_cli_commands[i]->name;
    }
    const char *nearest = ct_cli_nearest(name, names, count);
    fprintf(stderr, "corten: unknown command '%s'", name);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?", nearest);
    fprintf(stderr, "\nTry 'corten help'.\n");
    return NULL;
}

static corten_status call_command(const struct ct_cli_command *command, struct ct_cli_call *call,
                                  const char *const *words, size_t count, const char **operands,
                                  corten_error *error)
{
    bool help = false;
    call->usage = true;
    CT_CLI_TRY(ct_cli_options_default(command->groups, call->args, error));
    CT_CLI_TRY(ct_cli_options_parse(command->groups, call->args, words, count, operands,
                                    &call->operand_count, &help, error));
    if (help) {
        print_help(command, stdout);
        return CORTEN_OK;
    }
    call->operands = operands;
    if (call->operand_count < command->operands_least)
        return ct_cli_usage(call, error, "missing operand, expected %s", command->operands);
    if (call->operand_count > command->operands_most)
        return ct_cli_usage(call, error, "operand '%s' is one too many, expected %s",
                            operands[command->operands_most], command->operands);
    call->usage = false;
    return command->run(call, error);
}

static int run_command(const struct ct_cli_command *command, const char *const *words, size_t count)
{
    corten_error error = {.status = CORTEN_OK};
    struct ct_cli_call call = {.args = calloc(1, command->args_size_bytes)};
    const char **operands = calloc(count + 1, sizeof *operands);
    corten_status status = CORTEN_OK;
    if (!call.args || !operands)
        status = ct_cli_no_memory(&error, "the options");
    else
        status = call_command(command, &call, words, count, operands, &error);
    if (call.args)
        ct_cli_options_release(command->groups, call.args);
    free(call.args);
    free(operands);
    if (status == CORTEN_OK)
        return EXIT_DONE;
    fflush(stdout);
    fprintf(stderr, "corten %s: %s\n", command->name,
            error.text[0] ? error.text : corten_status_text(status));
    if (call.usage)
        fprintf(stderr, "Try 'corten %s --help'.\n", command->name);
    return call.usage ? EXIT_USAGE : EXIT_FAILED;
}

/* help --man, help --completion SHELL: what `make install` installs beside the program. */
static int print_manual(const char *const *words, size_t count)
{
    if (strcmp(words[0], "--man") == 0 && count == 1) {
        ct_cli_print_man(stdout);
        return EXIT_DONE;
    }
    if (strcmp(words[0], "--completion") == 0 && count == 2 &&
        ct_cli_print_completion(words[1], stdout))
        return EXIT_DONE;
    fprintf(stderr, "corten help: expected a command, --man, or --completion bash, zsh or fish\n");
    return EXIT_USAGE;
}

static int dispatch(const char *const *words, size_t count)
{
    if (count == 0) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = words[0];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("corten %s\n", corten_version());
        return EXIT_DONE;
    }
    bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help && count == 1) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    if (help && words[1][0] == '-')
        return print_manual(words + 1, count - 1);
    const struct ct_cli_command *command = find(help ? words[1] : name);
    if (!command)
        return EXIT_USAGE;
    if (help) {
        print_help(command, stdout);
        return EXIT_DONE;
    }
    return run_command(command, words + 1, count - 1);
}

int main(int count, char **words)
{
    int code = dispatch((const char *const *)(words + 1), count > 0 ? (size_t)(count - 1) : 0);
    /* A full disk or a closed pipe shows only here. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "corten: cannot write to standard output\n");
        return EXIT_FAILED;
    }
    return code;
}
