using System.Globalization;

namespace OmniPg.Wal;

/// <summary>
/// A path with its compression, written <c>/path</c>, <c>gzip=/path</c> or <c>zstd:3=/path</c> as on OmniPITR's command line; <c>zstd:wal=/path</c> is
/// zstd's setting for write-ahead log, its level 0 and its default.
/// </summary>
/// <param name="Codec">The codec; <see cref="Codec.None"/> without a prefix.</param>
/// <param name="Level">The codec's level, or <see langword="null"/> for its default.</param>
/// <param name="Path">Everything behind the prefix, as given.</param>
public sealed record WalLocation(Codec Codec, int? Level, string Path)
{
    private const string WalLevel = "wal";

    /// <summary>Reads a location.</summary>
    /// <param name="text">Path with or without prefix. A path that holds <c>=</c> needs a prefix (<c>none=</c>) unless a <c>/</c> stands before the <c>=</c>.</param>
    /// <returns>The location.</returns>
    /// <exception cref="FormatException">The codec is unknown, the level is no number or out of range, or the path is empty.</exception>
    public static WalLocation Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0 || text.AsSpan(0, equals).Contains('/'))
            return new WalLocation(Codec.None, null, RequirePath(text, text));
        var prefix = text.AsSpan(0, equals);
        var colon = prefix.IndexOf(':');
        var codec = ParseCodec(text, colon < 0 ? prefix : prefix[..colon]);
        var level = colon < 0 ? (int?)null : ParseLevel(text, codec, prefix[(colon + 1)..]);
        return new WalLocation(codec, level, RequirePath(text, text[(equals + 1)..]));
    }

    /// <summary>The location as <see cref="Parse"/> reads it.</summary>
    /// <returns>The text.</returns>
    public override string ToString()
    {
        if (Codec == Codec.None)
            return Path.Contains('=', StringComparison.Ordinal) ? $"none={Path}" : Path;
        return Level is null ? $"{Codec.Name}={Path}" : $"{NameOf(Codec, Level)}={Path}";
    }

    /// <summary>Codec and level as they stand before the path.</summary>
    internal static string NameOf(Codec codec, int? level) => codec == Codec.Zstd && codec.CheckLevel(level) == Codec.Zstd.DefaultLevel ? $"{codec.Name}:{WalLevel}"
        : level is null ? codec.Name
        : string.Create(CultureInfo.InvariantCulture, $"{codec.Name}:{level}");

    private static Codec ParseCodec(string text, ReadOnlySpan<char> name)
    {
        try
        {
            return Codec.Parse(name.ToString());
        }
        catch (ArgumentException unknown)
        {
            throw new FormatException($"'{text}' is no location: {unknown.Message}", unknown);
        }
    }

    private static int ParseLevel(string text, Codec codec, ReadOnlySpan<char> digits)
    {
        if (codec == Codec.Zstd && digits is WalLevel)
            return codec.DefaultLevel;
        if (!int.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var level) || level < codec.MinLevel || level > codec.MaxLevel)
            throw new FormatException($"'{text}' is no location: '{digits}' is no level of '{codec.Name}', which takes '{codec.MinLevel}' to '{codec.MaxLevel}'.");
        return level;
    }

    private static string RequirePath(string text, string path) =>
        path.Length > 0 ? path : throw new FormatException($"'{text}' is no location: the path is empty.");
}
