using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The folder of one drill. Its marker names the folder and a lock file shows that its owner lives, so that the next drill can tell what a killed one has
/// left from everything else: a folder with a marker of another path, of another account, with a held lock, or with anything in it and no marker is never touched.
/// </summary>
internal sealed partial class DrillScratch : IDisposable
{
    public const string Prefix = "omnipg-drill-";
    private const string MarkerFile = "omnipg-drill.json";
    private const string LockFile = "omnipg-drill.lock";
    private const int QuitSignal = 3;
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopPause = TimeSpan.FromMilliseconds(20);

    private readonly FileLock _lock;

    private DrillScratch(string path, FileLock held) => (Root, _lock) = (path, held);

    /// <summary>The folder.</summary>
    public string Root { get; }

    /// <summary>Where the data directory goes.</summary>
    public string Data => Path.Combine(Root, "data");

    /// <summary>Where a tablespace goes.</summary>
    public string TablespaceOf(uint oid) => Path.Combine(Root, $"tablespace-{oid}");

    /// <summary>Makes a fresh folder.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not make it.</exception>
    public static DrillScratch Make(string parent)
    {
        parent = Path.GetFullPath(parent);
        if (!Directory.Exists(parent))
            throw new DirectoryNotFoundException($"The folder '{parent}' does not exist.");
        while (true)
        {
            if (TryMake(Path.Combine(parent, Prefix + Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal))) is { } made)
                return made;
        }
    }

    /// <summary>Removes what killed drills have left below a folder, their servers first.</summary>
    public static async Task SweepAsync(string parent, ILogger log, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(parent))
            return;
        foreach (var root in Directory.GetDirectories(Path.GetFullPath(parent), Prefix + "*"))
        {
            try
            {
                if (IsLeft(root))
                {
                    await StopServerAsync(Path.Combine(root, "data"), cancellationToken).ConfigureAwait(false);
                    Empty(root);
                    DeleteRest(root);
                }
                else if (!TryDeleteUnfinished(root))
                {
                    continue;
                }

                DrillLog.Swept(log, root);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or TimeoutException)
            {
                DrillLog.LeftAlone(log, root, refused.Message);
            }
        }
    }

    /// <summary>Gives the folder to the account that owns the data directory, so that its server can make its socket there. Only root can, and only root needs to.</summary>
    public void GiveTo((uint User, uint Group) owner)
    {
        if (!OperatingSystem.IsWindows() && Posix.EffectiveUser() == 0)
            Posix.ChangeOwner(Root, owner.User, owner.Group);
    }

    /// <summary>Leaves the folder to whoever wants it: no drill will remove it.</summary>
    public void Keep()
    {
        File.Delete(Path.Combine(Root, MarkerFile));
        _lock.Dispose();
    }

    /// <summary>Removes the folder; a kept one is not touched.</summary>
    public void Dispose()
    {
        var isOurs = IsMarked(Root);
        if (isOurs)
            Empty(Root);
        _lock.Dispose();
        if (isOurs)
            DeleteRest(Root);
    }

    /// <returns>Null when the sweep of another drill took the folder for one whose owner was killed before it had locked it.</returns>
    private static DrillScratch? TryMake(string root)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(root);
        else
            Directory.CreateDirectory(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        FileLock? held = null;
        try
        {
            // Before the marker: who finds a marker without a held lock may remove the folder.
            held = FileLock.TryAcquireForProcess(Path.Combine(root, LockFile));
            if (held is null)
                return null;
            File.WriteAllBytes(Path.Combine(root, MarkerFile), MarkerOf(root));
            return new DrillScratch(root, held);
        }
        catch (Exception refused)
        {
            held?.Dispose();
            if (refused is DirectoryNotFoundException && Directory.Exists(Path.GetDirectoryName(root)))
                return null;
            throw;
        }
    }

    private static byte[] MarkerOf(string root) => JsonSerializer.SerializeToUtf8Bytes(new DrillMarker(1, root), DrillJson.Default.DrillMarker);

    // Marker and lock go last: what is left of a removal that was killed can still be recognised.
    private static void Empty(string root)
    {
        foreach (var folder in Directory.GetDirectories(root))
            Directory.Delete(folder, recursive: true);
        foreach (var file in Directory.GetFiles(root).Where(f => Path.GetFileName(f) is not (MarkerFile or LockFile)))
            File.Delete(file);
    }

    private static void DeleteRest(string root)
    {
        try
        {
            // Who is killed in between leaves a marker, or an empty folder of its own account.
            File.Delete(Path.Combine(root, LockFile));
            if (!OperatingSystem.IsWindows() && Posix.EffectiveUser() == 0)
                Posix.ChangeOwner(root, 0, 0);
            Directory.Delete(root, recursive: true);
        }
        catch (IOException) when (IsGoneOrUnfinished(root))
        {
            // Another drill has found it without its lock, and finishes the removal.
        }
    }

    // Killed before its marker was there, or when it was the last that went: there is nothing in the folder then that anybody could miss.
    private static bool TryDeleteUnfinished(string root)
    {
        if (new DirectoryInfo(root).LinkTarget is not null || !IsOwn(root) || !IsUnfinished(root))
            return false;
        if (Directory.EnumerateFileSystemEntries(root).Any())
        {
            using var held = FileLock.TryAcquire(Path.Combine(root, LockFile));
            // Its maker lives, or came as far as the marker meanwhile.
            if (held is null || IsMarked(root))
                return false;
            File.Delete(Path.Combine(root, MarkerFile));
        }

        // Not what is in it: a maker that finds the lock free again goes on.
        Directory.Delete(root);
        return true;
    }

    /// <summary>Whether a folder holds nothing but a lock file and a beginning of its marker.</summary>
    private static bool IsUnfinished(string root) => Directory.EnumerateFileSystemEntries(root).All(path => Path.GetFileName(path) switch
    {
        LockFile => true,
        MarkerFile => MarkerOf(root).AsSpan().StartsWith(File.ReadAllBytes(path)),
        _ => false,
    });

    private static bool IsGoneOrUnfinished(string root)
    {
        while (true)
        {
            try
            {
                return !Directory.Exists(root) || IsUnfinished(root);
            }
            catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
            {
                // Another drill has removed it between two looks; each time there is less of it.
            }
        }
    }

    private static bool IsLeft(string root)
    {
        if (new DirectoryInfo(root).LinkTarget is not null || !IsMarked(root) || FileLock.IsHeld(Path.Combine(root, LockFile)))
            return false;
        // Somebody else could have put a marker there; what he owns he can remove himself.
        return IsOwn(Path.Combine(root, MarkerFile));
    }

    private static bool IsOwn(string path) => OperatingSystem.IsWindows() || FileStat.OwnerOf(path).User == Posix.EffectiveUser();

    private static bool IsMarked(string root)
    {
        try
        {
            var marker = JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(root, MarkerFile)), DrillJson.Default.DrillMarker);
            return marker is { Format: 1 } && marker.Directory == root;
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return false;
        }
    }

    // An id alone may be another process's by now; a server works in its data directory.
    private static async Task StopServerAsync(string data, CancellationToken cancellationToken)
    {
        if (ServerOf(data) is not { } id)
            return;
        if (Posix.Kill(id, QuitSignal) != 0)
            throw new IOException($"Its server, process '{id}', cannot be stopped.");
        for (var waited = Stopwatch.StartNew(); ServerOf(data) == id;)
        {
            if (waited.Elapsed > StopLimit)
                throw new TimeoutException($"Its server, process '{id}', does not stop.");
            await Task.Delay(StopPause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <returns>Null when none runs there.</returns>
    private static int? ServerOf(string data)
    {
        var file = Path.Combine(data, "postmaster.pid");
        if (!File.Exists(file) || File.ReadLines(file).FirstOrDefault() is not { } line || !int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            return null;
        if (OperatingSystem.IsLinux())
            return FileStat.TryGet($"/proc/{id}/cwd/postmaster.pid", out var its) && FileStat.TryGet(file, out var own) && (its.Device, its.Inode) == (own.Device, own.Inode) ? id : null;
        try
        {
            using var process = Process.GetProcessById(id);
            throw new IOException($"Process '{id}', which may be its server, lives.");
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>What the marker of a drill's folder says.</summary>
    /// <param name="Format">Always 1.</param>
    /// <param name="Directory">The folder in which the marker was written: a copy of it elsewhere marks nothing.</param>
    private sealed record DrillMarker(int Format, string Directory);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(DrillMarker))]
    private sealed partial class DrillJson : JsonSerializerContext;
}
