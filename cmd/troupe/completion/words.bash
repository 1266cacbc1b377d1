# What the script below needs of the bash-completion package, for a bash that has not loaded it.
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    # Words are parted by blanks only: bash would also split host:port and key=value.
    _get_comp_words_by_ref() {
        local line=${COMP_LINE:0:COMP_POINT}
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=('')
        cword=$((${#words[@]} - 1)) cur=${words[${#words[@]} - 1]} prev=
        ((cword > 0)) && prev=${words[cword - 1]}
        return 0
    }
fi
if ! declare -F _filedir >/dev/null; then
    _filedir() {
        local IFS=$'\n' what=-f
        [[ $1 == -d ]] && what=-d
        COMPREPLY=($(compgen $what -- "$cur"))
        [[ $(type -t compopt) == builtin ]] && compopt -o filenames
        return 0
    }
fi

