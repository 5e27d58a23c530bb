using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OmniPg.Extractor.Trees;

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
