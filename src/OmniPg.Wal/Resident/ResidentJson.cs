using System.Text.Json.Serialization;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Source-generated JSON of spool and socket.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PushAnswer))]
[JsonSerializable(typeof(ResidentRequest))]
[JsonSerializable(typeof(ResidentAnswer))]
internal sealed partial class ResidentJson : JsonSerializerContext;

/// <summary>Content of an answer file of the spool.</summary>
internal sealed record PushAnswer
{
    public string? Xxh128 { get; init; }

    public long Size { get; init; }

    [JsonPropertyName("mtime")]
    public DateTimeOffset Modified { get; init; }

    public ulong Inode { get; init; }

    public string? Code { get; init; }

    public string? Message { get; init; }
}

/// <summary>The one line that a client sends.</summary>
internal sealed record ResidentRequest(string Archive, ulong? Inode = null, long? Size = null)
{
    /// <summary>Whether the client means this very file. Clients that do not see it send the name alone.</summary>
    public bool IsAbout(FileStat file) => (Inode is null || Inode == file.Inode) && (Size is null || Size == file.Bytes);
}
