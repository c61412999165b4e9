#include "manual.h"

#include <ctype.h>
#include <string.h>

#include "command.h"
#include "session_args.h"

/* ------------------------------------------------------------------ the manual page */

/* Text as roff takes it: a dash stays a dash, and no line begins a request. */
static void put_roff(FILE *to, const char *text)
{
    bool line_begins = true;
    for (const char *at = text; *at; at++) {
        if (line_begins && (*at == '.' || *at == '\''))
            fputs("\\&", to);
        if (*at == '-')
            fputs("\\-", to);
        else if (*at == '\\')
            fputs("\\e", to);
        else
            fputc(*at, to);
        line_begins = *at == '\n';
    }
}

static void put_man_option(FILE *to, const struct ct_cli_option *option)
{
    fputs(".TP\n.BR ", to);
    if (option->letter)
        fprintf(to, "\\-%c \", \" ", option->letter);
    fputs("\\-\\-", to);
    put_roff(to, option->name);
    if (option->argument) {
        fputs(" \" ", to);
        put_roff(to, option->argument);
        fputs("\"", to);
    }
    fputc('\n', to);
    put_roff(to, option->help);
    if (option->fallback) {
        fputs(" (default: ", to);
        put_roff(to, option->fallback);
        fputc(')', to);
    }
    fputc('\n', to);
}

static void put_man_options(FILE *to, const struct ct_cli_option *options)
{
    for (const struct ct_cli_option *option = options; option->name; option++)
        put_man_option(to, option);
}

static void put_man_command(FILE *to, const struct ct_cli_command *command)
{
    bool common = false;
    fprintf(to, ".SS \"corten %s [OPTION]... ", command->name);
    put_roff(to, command->operands);
    fprintf(to, "\"\n%c", toupper((unsigned char)command->summary[0]));
    put_roff(to, command->summary + 1);
    fputs(".\n", to);
    if (command->details) {
        fputs(".PP\n.nf\n", to);
        put_roff(to, command->details);
        fputs("\n.fi\n", to);
    }
    for (const struct ct_cli_group *group = command->groups; group->title; group++) {
        if (group->options == ct_cli_session_options)
            common = true;
        else
            put_man_options(to, group->options);
    }
    if (common)
        fputs(".PP\nThe common options may be given too.\n", to);
}

void ct_cli_print_man(FILE *to)
{
    fprintf(to,
            ".TH CORTEN 1 \"\" \"Corten %s\" \"User Commands\"\n"
            ".SH NAME\ncorten \\- run, inspect, optimise and measure ONNX models\n"
            ".SH SYNOPSIS\n.B corten\n.I COMMAND\n[\\fIOPTION\\fR]... \\fIOPERAND\\fR...\n.br\n"
            ".B corten help\n[\\fICOMMAND\\fR]\n.br\n.B corten \\-\\-version\n"
            ".SH DESCRIPTION\nOptions may stand before or after the operands, as\n"
            ".B \\-\\-name value\nor\n.BR \\-\\-name=value ;\n.B \\-\\-\nends them.\n"
            ".SH COMMANDS\n",
            corten_version());
    for (size_t i = 0; ct_cli_commands[i]; i++)
        put_man_command(to, ct_cli_commands[i]);
    fputs(".SS \"corten help [COMMAND]\"\nPrints the list of commands, or the help of one.\n"
          ".TP\n.B \\-\\-man\nprint this page\n"
          ".TP\n.BR \\-\\-completion \" SHELL\"\n"
          "print what bash, zsh or fish reads to complete commands and options\n"
          ".SH COMMON OPTIONS\n",
          to);
    put_man_options(to, ct_cli_session_options);
    fputs(
        ".TP\n.BR \\-h \", \" \\-\\-help\nprint the help of the command\n"
        ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nthe work failed; the reason is on standard error\n"
        ".TP\n2\nwrong usage\n",
        to);
}

/* ------------------------------------------------------------------ bash */

static void put_bash_command(FILE *to, const struct ct_cli_command *command)
{
    fprintf(to, "    %s) options='", command->name);
    for (const struct ct_cli_group *group = command->groups; group->title; group++)
        for (const struct ct_cli_option *option = group->options; option->name; option++)
            fprintf(to, "--%s ", option->name);
    fputs("--help' ;;\n", to);
}

static void put_bash_choices(FILE *to, const struct ct_cli_command *command)
{
    for (const struct ct_cli_group *group = command->groups; group->title; group++) {
        for (const struct ct_cli_option *option = group->options; option->name; option++) {
            if (option->type != CT_CLI_CHOICE)
                continue;
            fprintf(to, "    '%s --%s') choices='", command->name, option->name);
            for (const struct ct_cli_choice *choice = option->choices; choice->name; choice++)
                fprintf(to, "%s%s", choice == option->choices ? "" : " ", choice->name);
            fputs("' ;;\n", to);
        }
    }
}

static void print_bash(FILE *to)
{
    fputs("# Completion of corten for bash; read by bash-completion, or with `source`.\n"
          "_corten() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} options='' choices=''\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ] || [ \"$command\" = help ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          to);
    for (size_t i = 0; ct_cli_commands[i]; i++)
        fprintf(to, "%s ", ct_cli_commands[i]->name);
    fputs("help --version' -- \"$word\"))\n        return\n    fi\n    case \"$command $before\" "
          "in\n",
          to);
    for (size_t i = 0; ct_cli_commands[i]; i++)
        put_bash_choices(to, ct_cli_commands[i]);
    fputs("    esac\n    case $command in\n", to);
    for (size_t i = 0; ct_cli_commands[i]; i++)
        put_bash_command(to, ct_cli_commands[i]);
    fputs("    esac\n"
          "    if [ -n \"$choices\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n"
          "    elif [ \"${word:0:1}\" = - ]; then\n"
          "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
          "    fi\n"
          "}\n"
          "complete -o default -F _corten corten\n",
          to);
}

/* ------------------------------------------------------------------ zsh */

/* Within single quotes, and within the brackets and between the colons of _arguments. */
static void put_zsh(FILE *to, const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'')
            fputs("'\\'", to);
        else if (strchr("[]:\\", *at))
            fputc('\\', to);
        fputc(*at, to);
    }
}

static void put_zsh_option(FILE *to, const struct ct_cli_option *option)
{
    fputs("            ", to);
    if (option->letter)
        fprintf(to, "'%s'{-%c,--%s}'[", option->type == CT_CLI_LIST ? "*" : "", option->letter,
                option->name);
    else
        fprintf(to, "'%s--%s[", option->type == CT_CLI_LIST ? "*" : "", option->name);
    put_zsh(to, option->help);
    fputc(']', to);
    if (option->argument) {
        fputc(':', to);
        put_zsh(to, option->argument);
        fputc(':', to);
        if (option->type == CT_CLI_CHOICE) {
            for (const struct ct_cli_choice *choice = option->choices; choice->name; choice++)
                fprintf(to, "%s%s", choice == option->choices ? "(" : " ", choice->name);
            fputc(')', to);
        } else if (option->type == CT_CLI_TEXT || option->type == CT_CLI_LIST) {
            fputs("_files", to);
        }
    }
    fputs("' \\\n", to);
}

static void print_zsh(FILE *to)
{
    fputs("#compdef corten\n_corten() {\n    local -a commands\n    local state line\n    "
          "commands=(\n",
          to);
    for (size_t i = 0; ct_cli_commands[i]; i++) {
        fprintf(to, "        '%s:", ct_cli_commands[i]->name);
        put_zsh(to, ct_cli_commands[i]->summary);
        fputs("'\n", to);
    }
    fputs("        'help:print the help of a command'\n    )\n"
          "    _arguments -C '--version[print the version]' '1:command:->command' "
          "'*::argument:->argument'\n"
          "    case $state in\n    command) _describe command commands ;;\n    argument)\n"
          "        case $words[1] in\n        help) _describe command commands ;;\n",
          to);
    for (size_t i = 0; ct_cli_commands[i]; i++) {
        fprintf(to, "        %s) _arguments \\\n", ct_cli_commands[i]->name);
        for (const struct ct_cli_group *g = ct_cli_commands[i]->groups; g->title; g++)
            for (const struct ct_cli_option *option = g->options; option->name; option++)
                put_zsh_option(to, option);
        fputs("            '(-h --help)'{-h,--help}'[print the help]' '*:file:_files' ;;\n", to);
    }
    fputs("        esac ;;\n    esac\n}\n_corten \"$@\"\n", to);
}

/* ------------------------------------------------------------------ fish */

static void put_fish(FILE *to, const char *text)
{
    fputc('\'', to);
    for (const char *at = text; *at; at++) {
        if (*at == '\'' || *at == '\\')
            fputc('\\', to);
        fputc(*at, to);
    }
    fputc('\'', to);
}

static void put_fish_option(FILE *to, const char *command, const struct ct_cli_option *option)
{
    fprintf(to, "complete -c corten -n '__fish_seen_subcommand_from %s' -l %s", command,
            option->name);
    if (option->letter)
        fprintf(to, " -s %c", option->letter);
    if (option->type == CT_CLI_CHOICE) {
        fputs(" -x -a '", to);
        for (const struct ct_cli_choice *choice = option->choices; choice->name; choice++)
            fprintf(to, "%s%s", choice == option->choices ? "" : " ", choice->name);
        fputc('\'', to);
    } else if (option->argument) {
        fputs(" -r", to);
    }
    fputs(" -d ", to);
    put_fish(to, option->help);
    fputc('\n', to);
}

static void print_fish(FILE *to)
{
    fputs("# Completion of corten for fish.\n", to);
    for (size_t i = 0; ct_cli_commands[i]; i++) {
        const struct ct_cli_command *command = ct_cli_commands[i];
        fprintf(to, "complete -c corten -n __fish_use_subcommand -f -a %s -d ", command->name);
        put_fish(to, command->summary);
        fputc('\n', to);
        for (const struct ct_cli_group *group = command->groups; group->title; group++)
            for (const struct ct_cli_option *option = group->options; option->name; option++)
                put_fish_option(to, command->name, option);
    }
    fputs(
        "complete -c corten -n __fish_use_subcommand -f -a help -d 'print the help of a command'\n"
        "complete -c corten -s h -l help -d 'print the help'\n"
        "complete -c corten -n __fish_use_subcommand -l version -d 'print the version'\n",
        to);
}

bool ct_cli_print_completion(const char *shell, FILE *to)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(to);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(to);
    else if (strcmp(shell, "fish") == 0)
        print_fish(to);
    else
        return false;
    return true;
}
