using System.Text;
using System.Text.Json;

namespace OmniPg.Extractor.Trees;

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
