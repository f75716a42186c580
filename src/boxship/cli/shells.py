"""Completion in bash, zsh and fish: a script for each, and the answers that it asks this command for.

The scripts know next to nothing. They hand over what was typed, and get a line for each offer: its kind (`plain`, or
`file` and `dir` for what the shell completes itself), the word, what it is; parted by tabs.
"""

import shlex
from collections.abc import Iterator, Sequence

import click
from click import shell_completion

from boxship.cli import world

_BASH = """\
_boxship() {
    local kind value help
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
        plain) COMPREPLY+=("$value") ;;
        file) compopt -o default ;;
        dir) compopt -o dirnames ;;
        esac
    done < <(_BOXSHIP_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
}
complete -o nosort -F _boxship boxship
"""

_ZSH = """\
#compdef boxship
_boxship() {
    local kind value help
    local -a plain described
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
        plain) if [[ -n $help ]]; then described+=("${value//:/\\\\:}:$help"); else plain+=("$value"); fi ;;
        file) _files ;;
        dir) _files -/ ;;
        esac
    done < <(_BOXSHIP_COMPLETE=zsh command "${(Q)words[1]}" "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    (( $#described )) && _describe -V boxship described
    (( $#plain )) && compadd -V boxship -a -- plain
}
if [[ $funcstack[1] == _boxship ]]; then
    _boxship "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef _boxship boxship
fi
"""

_FISH = """\
function __boxship_offers
    set -l now (commandline -ct)
    set -l words (commandline -opc)
    _BOXSHIP_COMPLETE=fish command $words[1] $words[2..-1] -- "$now" 2>/dev/null | while read -l line
        set -l offer (string split -m 2 \\t -- $line)
        switch $offer[1]
            case plain
                printf '%s\\t%s\\n' $offer[2] "$offer[3]"
            case file
                __fish_complete_path $now
            case dir
                __fish_complete_directories $now
        end
    end
end
complete -c boxship -f -a '(__boxship_offers)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""By the shell's name."""


def answer(group: click.Group, shell: str, arguments: Sequence[str], around: world.World) -> int:
    """Print what a script asked for; nothing for what cannot be understood."""
    words, cut = _read(shell, arguments)
    try:
        offers = [*_offers(group, words, around)]
    except click.ClickException:
        return 0
    for offer in offers:
        value = str(offer.value)
        if cut and value.startswith(cut):
            value = value[len(cut) :]
        line = (offer.type, value, offer.help or "")
        if not any(char in text for text in line for char in "\t\n"):
            around.print("\t".join(line))
    return 0


def _offers(group: click.Group, words: Sequence[str], around: world.World) -> Iterator[shell_completion.CompletionItem]:
    """For the last word, which is not complete. Of `--name=va` the name stays in front."""
    *before, current = words
    completion = shell_completion.ShellComplete(group, {"obj": around}, "boxship", "")
    name, equals, _ = current.partition("=")
    front = f"{name}=" if equals and name.startswith("-") else ""
    for offer in completion.get_completions(before, current):
        if front and not str(offer.value).startswith(front):
            offer.value = f"{front}{offer.value}"
        yield offer


def _read(shell: str, arguments: Sequence[str]) -> tuple[Sequence[str], str]:
    """The words without quotes, the last of them what is to be completed; and what of it the shell keeps.

    bash hands over the line, and the part of the last word that it will replace: it ends words at `:` and `=`, too,
    and an offer for `alpine:l` must be `latest`.
    """
    if shell == "fish":
        *words, _, current = arguments or ["--", ""]
        return [*words, _split(current)[-1]], ""
    if shell != "bash":
        return arguments or [""], ""
    line, replaced = (*arguments, "", "")[:2]
    words = _split(line)[1:] or [""]
    kept = words[-1].removesuffix(_split(replaced)[-1])
    return words, kept if kept != words[-1] or not replaced else ""


def _split(line: str) -> list[str]:
    """The words of a line of shell that is being typed; the last one is empty behind a blank."""
    words: list[str] = []
    lexer = shlex.shlex(f"{line}.", posix=True)  # so that there is always a last word
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words.extend(lexer)
    except ValueError:  # a quote is still open
        words.append(lexer.token)
    return [*words[:-1], words[-1].removesuffix(".")]
