namespace OmniPg.Wal;

/// <summary>What must be read from the files of an archive before its listing can be understood.</summary>
internal static class ArchiveFacts
{
    private const int LongestText = 64 * 1024;

    /// <summary>The segment size: from the marker, else from the first segment that can be read.</summary>
    public static async Task<WalSegmentSize> SegmentSizeAsync(IObjectStore store, List<WalArchivedFile> segments, CancellationToken cancellationToken)
    {
        if (await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false) is { } marker && WalSegmentSize.IsValid(marker.WalSegmentSize))
            return WalSegmentSize.FromBytes(marker.WalSegmentSize);
        foreach (var file in segments)
        {
            try
            {
                var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
                if (content is null)
                    continue;
                await using (content.ConfigureAwait(false))
                    return await SegmentSizeAsync(content, file.Name, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
            {
                // This file tells nothing; verification will say what is wrong with it.
            }
        }

        return WalSegmentSize.Default;
    }

    public static async Task<Dictionary<uint, TimelineHistory>> HistoriesAsync(
        IObjectStore store, List<WalArchivedFile> files, CancellationToken cancellationToken)
    {
        var histories = new Dictionary<uint, TimelineHistory>();
        foreach (var file in files.Where(f => f.Name.Kind == WalFileKind.TimelineHistory))
        {
            try
            {
                if (await ReadTextAsync(store, file, cancellationToken).ConfigureAwait(false) is { } text)
                    histories[file.Name.Timeline] = TimelineHistory.Parse(file.Name.Timeline, text);
            }
            catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
            {
                // Verification reads the file again and reports it.
            }
        }

        return histories;
    }

    /// <summary>A small text file; null when it is gone. What is longer than any such file is cut.</summary>
    public static async Task<string?> ReadTextAsync(IObjectStore store, WalArchivedFile file, CancellationToken cancellationToken)
    {
        var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
        if (content is null)
            return null;
        await using (content.ConfigureAwait(false))
        {
            var bytes = new byte[LongestText];
            var length = await content.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return System.Text.Encoding.UTF8.GetString(bytes, 0, length);
        }
    }

    private static async Task<WalSegmentSize> SegmentSizeAsync(Stream content, WalFileName name, CancellationToken cancellationToken)
    {
        var summary = await WalSegmentReader.ValidateAsync(content, name, WalExpectations.Any.WithUnknownVersions(), cancellationToken).ConfigureAwait(false);
        return WalSegmentSize.FromBytes(summary.SegmentSize);
    }
}
