namespace OmniPg.Shared;

/// <summary>Follows SQL text character by character and knows whether it is in code, or inside a quote, a dollar quote or a comment.</summary>
/// <remarks>
/// The rules are those of the server's scanner (scan.l): <c>''</c> and <c>""</c> stay inside their quote, a backslash escapes in <c>E'…'</c>, and in
/// plain quotes where <c>standard_conforming_strings</c> is off, block comments nest, a dollar quote ends at its own tag only. Bytes of multi-byte UTF-8
/// characters can be pushed one by one: all of them count as letters.
/// </remarks>
/// <param name="backslashEscapes">Whether <c>standard_conforming_strings</c> is off.</param>
internal sealed class SqlScanner(bool backslashEscapes = false)
{
    private readonly List<char> _tag = [];
    private Mode _mode;
    private int _commentDepth;
    private int _tagAt;
    private int _wordLength;
    private bool _escapeNext;
    private bool _escapeQuoteClosed;
    private char _previous;

    private enum Mode
    {
        Code,
        LineComment,
        BlockComment,
        Quote,
        EscapeQuote,
        Identifier,
        DollarTag,
        DollarBody,
    }

    /// <summary>Whether the character pushed last was code and the next one may be.</summary>
    public bool InCode => _mode is Mode.Code or Mode.DollarTag;

    public void Push(char c)
    {
        switch (_mode)
        {
            case Mode.Code:
                PushCode(c);
                break;
            case Mode.LineComment when c == '\n':
            case Mode.Quote when c == '\'':
            case Mode.Identifier when c == '"':
                Enter(Mode.Code);
                break;
            case Mode.BlockComment:
                PushBlockComment(c);
                break;
            case Mode.EscapeQuote:
                PushEscapeQuote(c);
                break;
            case Mode.DollarTag:
                PushDollarTag(c);
                break;
            case Mode.DollarBody:
                PushDollarBody(c);
                break;
        }
    }

    /// <summary>What the server takes for blank (scan.l, space): other blanks of Unicode are letters of a name there.</summary>
    public static bool IsBlank(char c) => c is ' ' or '\t' or '\n' or '\r' or '\f' or '\v';

    public static bool IsWordCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or >= '\u0080';

    // A doubled quote closes and reopens: nothing stands between the two, so nobody sees the gap. Only E'…' must remember what it was, also where it goes
    // on behind a line end.
    private void PushCode(char c)
    {
        var reopened = _escapeQuoteClosed;
        _escapeQuoteClosed = reopened && IsBlank(c);
        switch (c)
        {
            case '\'':
                Enter(reopened || Escapes ? Mode.EscapeQuote : Mode.Quote);
                break;
            case '"':
                Enter(Mode.Identifier);
                break;
            case '-' when _previous == '-':
                Enter(Mode.LineComment);
                break;
            case '*' when _previous == '/':
                _commentDepth = 1;
                Enter(Mode.BlockComment);
                break;
            case '$' when _wordLength == 0:
                Enter(Mode.DollarTag);
                _tag.Clear();
                _tag.Add('$');
                break;
            default:
                _wordLength = IsWordCharacter(c) || (c == '$' && _wordLength > 0) ? _wordLength + 1 : 0;
                _previous = c;
                break;
        }
    }

    // Whether a quote that begins here knows escapes: E'…' always does, bit strings B'…' and X'…' never do.
    private bool Escapes => (_wordLength == 1 ? _previous : '\0') switch
    {
        'E' or 'e' => true,
        'B' or 'b' or 'X' or 'x' => false,
        _ => backslashEscapes,
    };

    private void PushBlockComment(char c)
    {
        var pair = (_previous, c);
        _previous = c;
        if (pair == ('/', '*'))
        {
            _commentDepth++;
            _previous = '\0';
        }
        else if (pair == ('*', '/'))
        {
            _previous = '\0';
            if (--_commentDepth == 0)
                Enter(Mode.Code);
        }
    }

    private void PushEscapeQuote(char c)
    {
        if (_escapeNext)
        {
            _escapeNext = false;
        }
        else if (c == '\\')
        {
            _escapeNext = true;
        }
        else if (c == '\'')
        {
            Enter(Mode.Code);
            _escapeQuoteClosed = true;
        }
    }

    private void PushDollarTag(char c)
    {
        if (c == '$')
        {
            _tag.Add(c);
            _tagAt = 0;
            _mode = Mode.DollarBody;
        }
        else if (IsWordCharacter(c) && !(_tag.Count == 1 && char.IsAsciiDigit(c)))
        {
            _tag.Add(c);
        }
        else
        {
            // A parameter such as $1, or a stray dollar sign: code after all, and a '$' that follows belongs to the same word.
            _mode = Mode.Code;
            _wordLength = IsWordCharacter(c) ? 1 : 0;
            PushCode(c);
        }
    }

    // A tag holds '$' only at its ends, so after a mismatch only the current character can start a new match.
    private void PushDollarBody(char c)
    {
        if (c == _tag[_tagAt])
        {
            if (++_tagAt == _tag.Count)
                Enter(Mode.Code);
        }
        else
        {
            _tagAt = c == '$' ? 1 : 0;
        }
    }

    private void Enter(Mode mode)
    {
        _mode = mode;
        _wordLength = 0;
        _previous = '\0';
    }
}
