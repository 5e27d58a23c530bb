namespace OmniPg.Extractor.Splitting;

/// <summary>Whether a text is exactly one name.</summary>
internal readonly ref struct SqlTokenCount(string text)
{
    public bool IsOneName
    {
        get
        {
            var reader = new SqlTokenReader(text);
            return reader.Next().IsName && reader.Next().Kind == SqlTokenKind.End;
        }
    }
}
