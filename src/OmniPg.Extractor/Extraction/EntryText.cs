using System.Security.Cryptography;
using System.Text;
using OmniPg.Extractor.Composing;

namespace OmniPg.Extractor.Extraction;

/// <summary>The text of an entry in a file: that of pg_restore, but complete in itself and with nothing above its header.</summary>
/// <remarks>
/// pg_restore writes <c>SET default_tablespace</c> ahead of an entry's header when the value changes along the script. In a tree each entry may
/// be read alone, so the settings stand behind the header, and only where they differ from an empty tablespace and from <c>heap</c>.
/// </remarks>
internal sealed class EntryText(string dumpVersion, Func<int, TocEntry?> find)
{
    private const string Heap = "heap";
    private static readonly ComposeOptions Options = new();

    public string Of(TocEntry entry, bool withData)
    {
        var isPartitioned = entry.RelKind == 'p';
        var plain = entry with
        {
            Tablespace = string.IsNullOrEmpty(entry.Tablespace) ? null : entry.Tablespace,
            TableAm = entry.TableAm == Heap && !isPartitioned ? null : entry.TableAm,
        };
        var sql = new StringBuilder();
        var writer = new EntrySqlWriter(Options, dumpVersion, find);
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
