namespace OmniPg.Shared;

/// <summary>Splits SQL text into statements at the semicolons the server would end them at.</summary>
/// <remarks>
/// Semicolons inside parentheses (rules with several actions) and inside <c>BEGIN ATOMIC … END</c> (bodies of SQL routines, PostgreSQL 14 and newer) do not
/// end a statement. Such a body is looked for only where a routine is made, and <c>CASE … END</c> inside it is counted, as psql does it (psqlscan.l).
/// </remarks>
internal sealed class StatementSplitter
{
    private readonly string _text;
    private readonly SqlScanner _scanner;
    private readonly List<Statement> _statements = [];
    private int _start;
    private int _wordStart = -1;
    private int _parentheses;
    private int _atomicDepth;
    private bool _afterBegin;
    private Head _head;

    private StatementSplitter(string text, bool backslashEscapes) => (_text, _scanner) = (text, new SqlScanner(backslashEscapes));

    // How far the first words are CREATE [OR REPLACE] {FUNCTION | PROCEDURE}.
    private enum Head
    {
        Nothing,
        Create,
        CreateOr,
        CreateOrReplace,
        Routine,
        Other,
    }

    /// <summary>The statements of a text, without those that are empty.</summary>
    /// <param name="text">The text.</param>
    /// <param name="backslashEscapes">Whether <c>standard_conforming_strings</c> is off where the text will run.</param>
    public static IReadOnlyList<Statement> Split(string text, bool backslashEscapes = false)
    {
        var splitter = new StatementSplitter(text, backslashEscapes);
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
        // A comment may stand between the two words, and its first character is not known as one yet.
        if (!SqlScanner.IsBlank(c) && c is not ('/' or '-'))
            _afterBegin = false;
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
        _head = Next(_head, word);
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
        _afterBegin = _head == Head.Routine && _parentheses <= 0 && word.Equals("BEGIN", StringComparison.OrdinalIgnoreCase);
    }

    private static Head Next(Head head, ReadOnlySpan<char> word) => head switch
    {
        Head.Nothing when word.Equals("CREATE", StringComparison.OrdinalIgnoreCase) => Head.Create,
        Head.Create when word.Equals("OR", StringComparison.OrdinalIgnoreCase) => Head.CreateOr,
        Head.CreateOr when word.Equals("REPLACE", StringComparison.OrdinalIgnoreCase) => Head.CreateOrReplace,
        Head.Create or Head.CreateOrReplace when word.Equals("FUNCTION", StringComparison.OrdinalIgnoreCase)
            || word.Equals("PROCEDURE", StringComparison.OrdinalIgnoreCase) => Head.Routine,
        Head.Routine => Head.Routine,
        _ => Head.Other,
    };

    private void Add(int end)
    {
        var start = SkipBlank(_start, end);
        var last = end;
        while (last > start && SqlScanner.IsBlank(_text[last - 1]))
            last--;
        if (last > start)
            _statements.Add(new Statement(start, _text[start..last]));
        _start = end + 1;
        _parentheses = 0;
        _atomicDepth = 0;
        _head = Head.Nothing;
    }

    // Leading blanks and line comments (the entry's header among them) are not part of a statement.
    private int SkipBlank(int at, int end)
    {
        while (at < end)
        {
            if (SqlScanner.IsBlank(_text[at]))
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
