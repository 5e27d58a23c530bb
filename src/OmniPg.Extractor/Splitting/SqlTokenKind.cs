namespace OmniPg.Extractor.Splitting;

internal enum SqlTokenKind
{
    End,
    Word,
    QuotedName,
    Literal,
    Symbol,
}
