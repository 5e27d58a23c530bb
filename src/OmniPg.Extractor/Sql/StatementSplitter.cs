namespace OmniPg.Extractor;

/// <summary>Splits SQL text into statements at the semicolons the server would end them at.</summary>
/// <remarks>
/// Semicolons inside parentheses (rules with several actions) and inside <c>BEGIN ATOMIC … END</c> (SQL function bodies, PostgreSQL 14 and newer)
/// do not end a statement; <c>CASE … END</c> inside such a body is counted, as psql does it.
/// </remarks>
internal sealed class StatementSplitter
{
    private readonly string _text;
    private readonly SqlScanner _scanner = new();
    private readonly List<Statement> _statements = [];
    private int _start;
    private int _wordStart = -1;
    private int _parentheses;
    private int _atomicDepth;
    private bool _afterBegin;

    private StatementSplitter(string text) => _text = text;

    public static IReadOnlyList<Statement> Split(string text)
    {
        var splitter = new StatementSplitter(text);
        splitter.Run();
        return splitter._statements;
    }

    private void Run()
    {
        for (var at = 0; at < _text.Length; at++)
        {
            var c = _text[at];
            var wasCode = _scanner.InCode;
            _scanner.Push(c);
            if (wasCode && _scanner.InCode)
                SeeCode(c, at);
            else
                EndWord(at);
        }
        EndWord(_text.Length);
        Add(_text.Length);
    }

    private void SeeCode(char c, int at)
    {
        if (SqlScanner.IsWordCharacter(c))
        {
            if (_wordStart < 0)
                _wordStart = at;
            return;
        }
        EndWord(at);
        if (c == '(')
            _parentheses++;
        else if (c == ')')
            _parentheses--;
        else if (c == ';' && _parentheses <= 0 && _atomicDepth == 0)
            Add(at);
    }

    private void EndWord(int end)
    {
        if (_wordStart < 0)
            return;
        var word = _text.AsSpan(_wordStart, end - _wordStart);
        _wordStart = -1;
        if (_atomicDepth > 0)
        {
            if (word.Equals("CASE", StringComparison.OrdinalIgnoreCase) || word.Equals("BEGIN", StringComparison.OrdinalIgnoreCase))
                _atomicDepth++;
            else if (word.Equals("END", StringComparison.OrdinalIgnoreCase))
                _atomicDepth--;
        }
        else if (_afterBegin && word.Equals("ATOMIC", StringComparison.OrdinalIgnoreCase))
        {
            _atomicDepth = 1;
        }
        _afterBegin = word.Equals("BEGIN", StringComparison.OrdinalIgnoreCase);
    }

    private void Add(int end)
    {
        var start = SkipBlank(_start, end);
        var text = _text[start..end].TrimEnd();
        if (text.Length > 0)
            _statements.Add(new Statement(start, text));
        _start = end + 1;
        _parentheses = 0;
        _atomicDepth = 0;
    }

    // Leading blanks and line comments (the entry's header among them) are not part of a statement.
    private int SkipBlank(int at, int end)
    {
        while (at < end)
        {
            if (char.IsWhiteSpace(_text[at]))
            {
                at++;
            }
            else if (_text[at] == '-' && at + 1 < end && _text[at + 1] == '-')
            {
                var line = _text.IndexOf('\n', at, end - at);
                at = line < 0 ? end : line + 1;
            }
            else
            {
                break;
            }
        }
        return at;
    }

    /// <summary>One statement of a text, without its semicolon.</summary>
    internal readonly record struct Statement(int Offset, string Text);
}
