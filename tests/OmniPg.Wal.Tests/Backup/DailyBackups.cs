namespace OmniPg.Wal.Tests.Backup;

/// <summary>Stores with one backup a day, as their catalogue sees them, and archives of segments of whose content nobody asks.</summary>
internal static class DailyBackups
{
    private static readonly DateTimeOffset Today = new(2026, 5, 20, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A catalogue that lives at noon of the last day.</summary>
    public static BackupCatalog Catalog(IObjectStore store, Microsoft.Extensions.Logging.ILoggerFactory? logs = null) => new(store, logs, new FixedClock());

    public static string Segment(int number) => $"0000000100000000{number:X8}";

    /// <summary>So many daily backups, the last one of this morning; a part of each is one byte.</summary>
    public static async Task<(DirectoryObjectStore Store, string[] Ids)> MakeAsync(BackupScene scene, int count)
    {
        var store = await scene.NewStoreAsync();
        var ids = new List<string>();
        for (var day = 0; day < count; day++)
            ids.Add(await AddAsync(scene, store, day - count + 1, Segment(day)));
        return (store, [.. ids]);
    }

    /// <summary>Adds one.</summary>
    /// <returns>Its id.</returns>
    public static async Task<string> AddAsync(BackupScene scene, DirectoryObjectStore store, int day, string from)
    {
        var (_, sample) = await scene.MadeAsync();
        var start = Today.AddDays(day).AddHours(-6);
        var id = BackupInfo.IdAt(start);
        var segment = WalFileName.Parse(from);
        var info = sample with
        {
            Id = id,
            Started = start,
            Stopped = start.AddHours(1),
            WalFrom = segment,
            WalTo = segment,
            Tablespaces = [],
            Parts = [new BackupPart($"{id}/base.tar.zst", 0, 1, 1, "")],
            Manifest = null,
        };
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(store.Root, id)).FullName, "base.tar.zst"), "x", Token);
        await File.WriteAllBytesAsync(Path.Combine(store.Root, id, "backup.json"), info.ToJson(), Token);
        return id;
    }

    /// <summary>Changes the entry of one.</summary>
    public static async Task RewriteAsync(DirectoryObjectStore store, string id, Func<BackupInfo, BackupInfo> change)
    {
        var path = Path.Combine(store.Root, id, "backup.json");
        await File.WriteAllBytesAsync(path, change(BackupInfo.Parse(await File.ReadAllBytesAsync(path, Token), store.Id, id)).ToJson(), Token);
    }

    public static async Task<DirectoryObjectStore> ArchiveAsync(BackupScene scene, int count)
    {
        var archive = await scene.NewStoreAsync();
        for (var number = 0; number < count; number++)
            await File.WriteAllTextAsync(Path.Combine(archive.Root, Segment(number)), "", Token);
        return archive;
    }

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Today;
    }
}
