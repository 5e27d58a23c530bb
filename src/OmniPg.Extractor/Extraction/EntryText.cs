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
