namespace OmniPg.Extractor.Splitting;

/// <summary>One statement of a text, without its semicolon.</summary>
internal readonly record struct SqlStatement(int Offset, string Text);
