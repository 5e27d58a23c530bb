using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OmniPg.Extractor;

/// <summary>The file <c>omnipg.manifest.json</c>: what the tree holds, in replay order. Deterministic to the byte, one entry per line.</summary>
internal sealed record TreeManifest : ManifestHead
{
    public const int CurrentFormat = 1;

    public IReadOnlyList<ManifestEntry> Entries { get; init; } = [];

    /// <summary>Paths that the tree's last run wrote, without the manifest itself.</summary>
    public IEnumerable<string> Files => Entries.Select(static entry => entry.File).Concat(AttachedFiles ?? []).Distinct(StringComparer.Ordinal);

    /// <returns>Null when the directory holds no manifest.</returns>
    /// <exception cref="TreeConflictException">It is damaged, or of a newer format.</exception>
    public static async Task<TreeManifest?> TryReadAsync(TreePaths paths, CancellationToken cancellationToken)
    {
        try
        {
            var content = await File.ReadAllBytesAsync(paths.Manifest, cancellationToken).ConfigureAwait(false);
            return Parse(paths, content);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    public byte[] ToBytes()
    {
        var head = JsonSerializer.SerializeToElement(this as ManifestHead, TreeJson.Readable.ManifestHead);
        var properties = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["entries"] = EntriesText() };
        foreach (var property in head.EnumerateObject())
            properties[property.Name] = property.Value.GetRawText();
        return System.Text.Encoding.UTF8.GetBytes("{\n" + string.Join(",\n", properties.Select(static p => $"  \"{p.Key}\": {p.Value}")) + "\n}\n");
    }

    private static TreeManifest Parse(TreePaths paths, byte[] content)
    {
        TreeManifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(content, TreeJson.Readable.TreeManifest);
        }
        catch (JsonException error)
        {
            throw new TreeConflictException(paths.Manifest, $"The manifest '{paths.Manifest}' is damaged: {error.Message}",
                "Restore it from version control, or extract again.", error);
        }
        if (manifest is null || manifest.Format != CurrentFormat)
            throw new TreeConflictException(paths.Manifest,
                $"The manifest '{paths.Manifest}' has format '{manifest?.Format}', this version reads '{CurrentFormat}'.");
        return manifest;
    }

    private string EntriesText()
    {
        if (Entries.Count == 0)
            return "[]";
        var text = new StringBuilder("[\n");
        foreach (var entry in Entries)
            text.Append("    ").Append(JsonSerializer.Serialize(entry, TreeJson.Readable.ManifestEntry)).Append(",\n");
        text.Length -= 2;
        return text.Append("\n  ]").ToString();
    }
}

/// <summary>Everything of the manifest but the entries. Properties stand in alphabetical order, which is the order of the file.</summary>
internal record ManifestHead
{
    public string? ArchiveVersion { get; init; }

    /// <summary>Files that belong to the tree without holding entries, such as roles.</summary>
    public IReadOnlyList<string>? AttachedFiles { get; init; }

    public string? Encoding { get; init; }

    public SortedDictionary<string, string>? Extensions { get; init; }

    public required int Format { get; init; }

    public SortedDictionary<string, string>? Options { get; init; }

    public string? PgDump { get; init; }

    public string? Server { get; init; }

    /// <summary>Settings under which the text was written and must be replayed.</summary>
    public SortedDictionary<string, string>? Session { get; init; }

    /// <summary>Files of earlier runs whose objects are gone and which nobody asked to delete: no longer part of the schema.</summary>
    public IReadOnlyList<string>? Stale { get; init; }
}

/// <summary>One entry of a tree in replay order. Properties stand in alphabetical order, which is the order of the file.</summary>
internal sealed record ManifestEntry
{
    public IReadOnlyList<string>? Dependencies { get; init; }

    public required string Desc { get; init; }

    public required string File { get; init; }

    public IReadOnlyList<string>? Flags { get; init; }

    public required string Key { get; init; }

    public string? Namespace { get; init; }

    public required string ObjectKind { get; init; }

    public required string ObjectName { get; init; }

    public string? ObjectSchema { get; init; }

    public int Ordinal { get; init; }

    public string? Owner { get; init; }

    public required string Pass { get; init; }

    public required string Section { get; init; }

    public required string Sha256 { get; init; }

    public string? Tag { get; init; }
}

/// <summary>Words of the manifest for enumerations; stable, whatever the C# names become.</summary>
internal static class ManifestWords
{
    public const string Data = "data";
    public const string Redacted = "redacted";

    public static string Of(TocPass pass) => pass switch
    {
        TocPass.Acl => "acl",
        TocPass.PostAcl => "post-acl",
        _ => "main",
    };

    public static string Of(TocSection section) => section switch
    {
        TocSection.PreData => "pre-data",
        TocSection.Data => "data",
        TocSection.PostData => "post-data",
        _ => "none",
    };

    public static TocPass Pass(string word) => word switch
    {
        "acl" => TocPass.Acl,
        "post-acl" => TocPass.PostAcl,
        _ => TocPass.Main,
    };

    public static TocSection Section(string word) => word switch
    {
        "pre-data" => TocSection.PreData,
        "data" => TocSection.Data,
        "post-data" => TocSection.PostData,
        _ => TocSection.None,
    };
}

/// <summary>Source-generated JSON of everything that a tree keeps beside its SQL.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(TreeJournal))]
[JsonSerializable(typeof(ManifestHead))]
[JsonSerializable(typeof(ManifestEntry))]
[JsonSerializable(typeof(TreeManifest))]
internal sealed partial class TreeJson : JsonSerializerContext
{
    /// <summary>Names stay readable: only what JSON itself demands is escaped.</summary>
    public static TreeJson Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
