"""The shells' completion scripts: each asks `nebula __complete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation

_BASH = r"""# bash completion of nebula; put it into /etc/bash_completion.d/nebula
_nebula() {
    local rest="${COMP_LINE:0:COMP_POINT}" piece candidate bare current before= quote=
    local -a words=()
    for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -gt 0 && $rest == "$piece"* && -n $piece ]]; then
            before="${words[-1]}"
            words[-1]+="$piece" # bash breaks words at : = @, too
        else
            before=
            words+=("$piece")
            rest="${rest#"${rest%%[![:space:]]*}"}"
        fi
        rest="${rest#"$piece"}"
    done
    current="${words[-1]}"
    [[ $piece == [:=]* ]] && before="$current" # what is replaced begins behind it, but with an @
    [[ $current == [\"\']* ]] && quote="${current:0:1}"
    words=("${words[@]//[\\\"\']/}")
    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        if [[ -n $quote ]]; then
            bare="$candidate"
        else
            printf -v bare '%q' "$candidate"
        fi
        COMPREPLY+=("${bare#"$before"}")
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _nebula nebula
"""
_ZSH = r"""#compdef nebula
# zsh completion of nebula; put it into a directory of $fpath as _nebula
_nebula() {
    local -a found
    local word help
    while IFS=$'\t' read -r word help; do
        found+=("${word//:/\\:}${help:+:$help}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        _describe -V nebula found
    else
        _files
    fi
}
if [ "$funcstack[1]" = "_nebula" ]; then
    _nebula "$@"
else
    compdef _nebula nebula
fi
"""
_FISH = r"""# fish completion of nebula; put it into ~/.config/fish/completions/nebula.fish
function __nebula_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c nebula -f -a '(__nebula_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def show(context: Context, line: Invocation) -> int:
    """Print the script of a shell."""
    shell = line.text("shell")
    if shell not in SCRIPTS:
        raise UsageError(f"there is no completion for {shell!r}", hint=f"use one of: {', '.join(SCRIPTS)}")
    context.write(SCRIPTS[shell].rstrip("\n"))
    return 0
