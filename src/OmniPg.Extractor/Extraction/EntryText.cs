using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>The text of an entry in a file: that of pg_restore, but complete in itself and with nothing above its header.</summary>
/// <remarks>
/// pg_restore writes <c>SET default_tablespace</c> ahead of an entry's header when the value changes along the script. In a tree each entry may
/// be read alone, so the settings stand behind the header, and only where they differ from an empty tablespace and from <c>heap</c>.
/// </remarks>
internal sealed class EntryText(PgArchive archive)
{
    private const string Heap = "heap";
    private static readonly ComposeOptions Options = new();

    private readonly ConcurrentDictionary<int, string> _texts = [];

    /// <summary>The text; of an entry with rows only what stands above the rows.</summary>
    public string Of(PlannedEntry planned) => _texts.GetOrAdd(planned.Entry.DumpId, static (_, item) => item.Text.Build(item.Planned.Entry, item.Planned.HasData), (Text: this, Planned: planned));

    private string Build(TocEntry entry, bool withData)
    {
        var isPartitioned = entry.RelKind == 'p';
        var plain = entry with
        {
            Tablespace = string.IsNullOrEmpty(entry.Tablespace) ? null : entry.Tablespace,
            TableAm = entry.TableAm == Heap && !isPartitioned ? null : entry.TableAm,
        };
        var sql = new StringBuilder();
        var writer = new EntrySqlWriter(Options, archive.Header.DumpVersion, archive.FindEntry);
        if (withData)
            writer.AppendDataHead(sql, plain);
        else
            writer.AppendDefinition(sql, plain);
        var text = sql.ToString();
        return text.StartsWith("--\n", StringComparison.Ordinal) ? text : SettingsBelowHeader(text);
    }

    public static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Trim(text))));

    /// <summary>Without trailing empty lines: the form that is hashed and compared.</summary>
    public static string Trim(string text) => text.TrimEnd('\n');

    private static string SettingsBelowHeader(string text)
    {
        var header = text.IndexOf("--\n-- ", StringComparison.Ordinal);
        var end = text.IndexOf("\n--\n\n", header, StringComparison.Ordinal) + 5;
        return string.Concat(text.AsSpan(header, end - header), text.AsSpan(0, header), text.AsSpan(end));
    }
}

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

    private static string Settings(PgArchive archive, bool prologue)
    {
        if (!prologue)
            return "";
        var text = new StringBuilder();
        // The text was rewritten, whatever the archive's session was.
        ScriptPrologue.AppendSettings(text, archive.Header, archive.Session with { StandardConformingStrings = true }, targetMajor: null);
        return text.Replace($"SET client_encoding = '{archive.Session.EncodingName}';", "SET client_encoding = 'UTF8';").ToString();
    }
}
