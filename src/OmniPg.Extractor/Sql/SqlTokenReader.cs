namespace OmniPg.Extractor;

/// <summary>Reads tokens from SQL text as the server deparses it: enough to find names and options, without a grammar.</summary>
internal ref struct SqlTokenReader(string text)
{
    private int _at;

    public SqlToken Next()
    {
        SkipBlank();
        if (_at >= text.Length)
            return new SqlToken(SqlTokenKind.End, "", _at, _at);
        var start = _at;
        var c = text[_at];
        if (c == '"')
            return QuotedName(start);
        if (c == '\'')
            return Literal(start, escapes: false);
        if (c is 'E' or 'e' && _at + 1 < text.Length && text[_at + 1] == '\'')
        {
            _at++;
            return Literal(start, escapes: true);
        }
        if (c == '$' && DollarQuote(start) is { } dollar)
            return dollar;
        if (SqlScanner.IsWordCharacter(c))
        {
            while (_at < text.Length && (SqlScanner.IsWordCharacter(text[_at]) || text[_at] == '$'))
                _at++;
            return new SqlToken(SqlTokenKind.Word, text[start.._at], start, _at);
        }
        _at++;
        return new SqlToken(SqlTokenKind.Symbol, text[start.._at], start, _at);
    }

    /// <summary>Goes on reading at another place.</summary>
    public void MoveTo(int position) => _at = position;

    /// <summary>Reads tokens until one of the keywords; the keyword is consumed.</summary>
    public bool SkipTo(string keyword)
    {
        SqlToken token;
        while ((token = Next()).Kind != SqlTokenKind.End)
        {
            if (token.IsKeyword(keyword))
                return true;
        }
        return false;
    }

    /// <summary>Reads <c>[ONLY] [schema.]name</c>.</summary>
    public (string? Schema, string Name)? ReadName()
    {
        var first = Next();
        if (first.IsKeyword("ONLY"))
            first = Next();
        if (!first.IsName)
            return null;
        var back = _at;
        if (!Next().IsSymbol('.'))
        {
            _at = back;
            return (null, first.Text);
        }
        var second = Next();
        return second.IsName ? (first.Text, second.Text) : null;
    }

    private SqlToken QuotedName(int start)
    {
        var close = start + 1;
        while ((close = text.IndexOf('"', close)) >= 0 && close + 1 < text.Length && text[close + 1] == '"')
            close += 2;
        _at = close < 0 ? text.Length : close + 1;
        var name = close < 0 ? text[(start + 1)..] : text[(start + 1)..close];
        return new SqlToken(SqlTokenKind.QuotedName, name.Replace("\"\"", "\"", StringComparison.Ordinal), start, _at);
    }

    private SqlToken Literal(int start, bool escapes)
    {
        for (_at++; _at < text.Length; _at++)
        {
            if (escapes && text[_at] == '\\')
                _at++;
            else if (text[_at] == '\'' && (_at + 1 >= text.Length || text[_at + 1] != '\''))
                break;
            else if (text[_at] == '\'')
                _at++;
        }
        _at = Math.Min(_at + 1, text.Length);
        return new SqlToken(SqlTokenKind.Literal, text[start.._at], start, _at);
    }

    private SqlToken? DollarQuote(int start)
    {
        var end = start + 1;
        while (end < text.Length && SqlScanner.IsWordCharacter(text[end]))
            end++;
        if (end >= text.Length || text[end] != '$')
            return null;
        var tag = text[start..(end + 1)];
        var close = text.IndexOf(tag, end + 1, StringComparison.Ordinal);
        _at = close < 0 ? text.Length : close + tag.Length;
        return new SqlToken(SqlTokenKind.Literal, text[start.._at], start, _at);
    }

    private void SkipBlank()
    {
        while (_at < text.Length)
        {
            if (char.IsWhiteSpace(text[_at]))
                _at++;
            else if (text[_at] == '-' && _at + 1 < text.Length && text[_at + 1] == '-')
                _at = text.IndexOf('\n', _at) is var line && line < 0 ? text.Length : line + 1;
            else
                break;
        }
    }
}

/// <summary>One token: <see cref="Text"/> is the unquoted name, the keyword as written, the literal's raw text, or one symbol character.</summary>
internal readonly record struct SqlToken(SqlTokenKind Kind, string Text, int Start, int End)
{
    public bool IsKeyword(string keyword) => Kind == SqlTokenKind.Word && Text.Equals(keyword, StringComparison.OrdinalIgnoreCase);

    public bool IsName => Kind is SqlTokenKind.Word or SqlTokenKind.QuotedName;

    public bool IsSymbol(char symbol) => Kind == SqlTokenKind.Symbol && Text[0] == symbol;
}

internal enum SqlTokenKind
{
    End,
    Word,
    QuotedName,
    Literal,
    Symbol,
}
