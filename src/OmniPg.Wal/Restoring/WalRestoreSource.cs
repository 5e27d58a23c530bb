namespace OmniPg.Wal;

/// <summary>One archive that a restore asks.</summary>
/// <param name="Store">The archive; must be readable, and deletable when the restore removes files. Not disposed.</param>
/// <param name="Preferred">The codec whose extension is tried first; every known extension is tried, and the content is decoded by its first bytes.</param>
public sealed record WalRestoreSource(IObjectStore Store, Codec Preferred)
{
    /// <summary>Name for messages.</summary>
    public string Name => Store.Id;

    /// <summary>An archive in a directory.</summary>
    /// <param name="location">The directory with or without a codec prefix: <c>/mnt/archive</c>, <c>zstd=/mnt/archive</c>.</param>
    /// <exception cref="WalConfigurationException">The location cannot be parsed.</exception>
    public static WalRestoreSource Directory(string location)
    {
        try
        {
            var parsed = WalLocation.Parse(location);
            return new WalRestoreSource(new DirectoryObjectStore(parsed.Path), parsed.Codec);
        }
        catch (FormatException e)
        {
            throw new WalConfigurationException($"The source is wrong: {e.Message}", innerException: e);
        }
    }
}
