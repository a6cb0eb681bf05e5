# KEY='value' lines with the shell's quoting, values over several lines too: each value goes to a file of its key's name.
function take(text,    at, letter) {
    for (at = 1; at <= length(text); at++) {
        letter = substr(text, at, 1)
        if (quote == "" && (letter == "\"" || letter == "'")) quote = letter
        else if (letter == quote) quote = ""
        else if (letter == "\\" && quote != "'") value = value substr(text, ++at, 1)
        else value = value letter
    }
}
quote != "" { value = value "\n"; take($0) }
quote == "" && match($0, /^[A-Z][A-Z0-9_]*=/) && key == "" {
    key = substr($0, 1, RLENGTH - 1)
    value = ""
    take(substr($0, RLENGTH + 1))
}
key != "" && quote == "" {
    file = directory "/" key
    printf "%s", value > file
    close(file)
    key = ""
}
BEGIN { quote = "" }
