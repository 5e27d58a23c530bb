namespace OmniPg.Extractor.Splitting;

/// <summary>One token: <see cref="Text"/> is the unquoted name, the keyword as written, the literal's raw text, or one symbol character.</summary>
internal readonly record struct SqlToken(SqlTokenKind Kind, string Text, int Start, int End)
{
    public bool IsKeyword(string keyword) => Kind == SqlTokenKind.Word && Text.Equals(keyword, StringComparison.OrdinalIgnoreCase);

    public bool IsName => Kind is SqlTokenKind.Word or SqlTokenKind.QuotedName;

    public bool IsSymbol(char symbol) => Kind == SqlTokenKind.Symbol && Text[0] == symbol;
}
