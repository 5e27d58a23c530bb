using System.Text;
using OmniPg.Extractor.Composing;

namespace OmniPg.Extractor.Extraction;

/// <summary>Puts the entries of a file together, with what the options want above them.</summary>
internal sealed class FileText(PgArchive archive, ExtractionOptions options)
{
    private readonly string _settings = Settings(archive, options.Prologue);

    public byte[] Build(IEnumerable<(TocEntry Entry, string Text)> entries)
    {
        var list = entries as IReadOnlyList<(TocEntry Entry, string Text)> ?? [.. entries];
        var text = new StringBuilder(_settings);
        if (options.Clean)
            AppendDrops(text, list);
        foreach (var (_, sql) in list)
            text.Append(sql);
        while (text.Length > 0 && text[^1] == '\n')
            text.Length--;
        return Encoding.UTF8.GetBytes(text.Append('\n').ToString());
    }

    private void AppendDrops(StringBuilder text, IReadOnlyList<(TocEntry Entry, string Text)> entries)
    {
        var before = text.Length;
        for (var i = entries.Count - 1; i >= 0; i--)
            DropStatement.Append(text, entries[i].Entry, options.CleanIfExists);
        if (text.Length > before)
            text.Append('\n');
    }

    private static string Settings(PgArchive archive, FilePrologue prologue)
    {
        if (prologue == FilePrologue.None)
            return "";
        var text = new StringBuilder();
        // The text was rewritten, whatever the archive's session was.
        ScriptPrologue.AppendSettings(text, archive.Header, archive.Session with { StandardConformingStrings = true }, targetMajor: null);
        return text.Replace($"SET client_encoding = '{archive.Session.EncodingName}';", "SET client_encoding = 'UTF8';").ToString();
    }
}
