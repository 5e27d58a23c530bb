using System.Runtime.InteropServices;

namespace OmniPg.Wal.ArchiveModule;

/// <summary>What the server looks for in the file. One file serves every major version that has archive modules; what differs is told apart when it is loaded.</summary>
/// <remarks>No exception leaves a method here: that would end the process, and a server whose archiver ends so ends all of its sessions.</remarks>
internal static unsafe class ModuleEntry
{
    private const int OldestMajor = 15;
    private const int NewestMajor = 19;

    /// <summary>The block by which a server knows what a library was made for (Pg_magic_struct of fmgr.h); of version 0, which no server takes, where the library must not be.</summary>
    [UnmanagedCallersOnly(EntryPoint = "Pg_magic_func")]
    public static nint Magic()
    {
        var block = (MagicBlock*)NativeMemory.AllocZeroed((nuint)sizeof(MagicBlock));
        try
        {
            FinalizerThread.TakesNoSignal();
            *block = MagicBlock.For(IsWelcome() ? Server.Major : 0);
        }
        catch (Exception)
        {
            // The block is of version 0.
        }

        return (nint)block;
    }

    /// <summary>Fills the table of PostgreSQL 15 that it is given, or returns that of 16 and later, which give none (archive_module.h).</summary>
    [UnmanagedCallersOnly(EntryPoint = "_PG_archive_module_init")]
    public static nint Init(Callbacks15* given)
    {
        try
        {
            Settings.Define();
            Server.LeaveWithoutExitHandlers();
        }
        catch (Exception unforeseen)
        {
            Warn(unforeseen);
        }

        if (Server.Major < 16)
        {
            *given = new Callbacks15 { CheckConfigured = &CheckConfigured, Archive = &Archive15, Shutdown = 0 };
            return 0;
        }

        var table = (Callbacks16*)NativeMemory.AllocZeroed((nuint)sizeof(Callbacks16));
        *table = new Callbacks16 { Startup = 0, CheckConfigured = &CheckConfigured, Archive = &Archive16, Shutdown = 0 };
        return (nint)table;
    }

    // Without a value the server says that archiving is not configured, and tries no file. 15 passes no state; what is in its register is not looked at.
    [UnmanagedCallersOnly]
    private static byte CheckConfigured(nint state)
    {
        try
        {
            return (byte)(Settings.Socket.Length > 0 ? 1 : 0);
        }
        catch (Exception unforeseen)
        {
            Warn(unforeseen);
            return 0;
        }
    }

    [UnmanagedCallersOnly]
    private static byte Archive15(nint file, nint path) => Archive(path);

    [UnmanagedCallersOnly]
    private static byte Archive16(nint state, nint file, nint path) => Archive(path);

    private static byte Archive(nint path)
    {
        try
        {
            return (byte)(SegmentQuestion.Ask(Server.Text(path)) ? 1 : 0);
        }
        catch (Exception unforeseen)
        {
            Warn(unforeseen);
            return 0;
        }
    }

    private static bool IsWelcome()
    {
        if (Server.Major is < OldestMajor or > NewestMajor)
        {
            Server.Warn($"omnipg_archive is made for PostgreSQL {OldestMajor} to {NewestMajor}, not for {Server.Major}.", "Use archive_command, or a newer omnipg_archive.");
            return false;
        }

        if (!Server.IsArchiver)
        {
            // The runtime starts threads, and what is forked off a process with threads has lost them.
            Server.Warn("omnipg_archive works in the server's archiver alone.", "Name it in archive_library, in no other setting.");
            return false;
        }

        return true;
    }

    private static void Warn(Exception unforeseen)
    {
        try
        {
            Server.Warn($"omnipg_archive failed: {unforeseen.GetType().Name}: {unforeseen.Message}", "This is a fault of omnipg_archive; archive_command with omnipg-wal-push does without it.");
        }
        catch (Exception)
        {
            // The caller says false all the same, and the server tells which file that was.
        }
    }

    /// <summary>ArchiveModuleCallbacks of 15.</summary>
    public struct Callbacks15
    {
        public delegate* unmanaged<nint, byte> CheckConfigured;
        public delegate* unmanaged<nint, nint, byte> Archive;
        public nint Shutdown;
    }

    /// <summary>ArchiveModuleCallbacks of 16 and later.</summary>
    private struct Callbacks16
    {
        public nint Startup;
        public delegate* unmanaged<nint, byte> CheckConfigured;
        public delegate* unmanaged<nint, nint, nint, byte> Archive;
        public nint Shutdown;
    }

    private struct MagicBlock
    {
        private const int LengthUntil17 = 56;
        public int Length;
        public int Version;
        public int FunctionArguments;
        public int IndexKeys;
        public int NameBytes;
        public int Float8ByValue;
        public fixed byte Kind[32];
        public nint Name;
        public nint LibraryVersion;

        public static MagicBlock For(int major)
        {
            var block = new MagicBlock
            {
                Length = major >= 18 ? sizeof(MagicBlock) : LengthUntil17,
                Version = major * 100,
                FunctionArguments = 100, // FUNC_MAX_ARGS, INDEX_MAX_KEYS, NAMEDATALEN of pg_config_manual.h: a server with others refuses the library
                IndexKeys = 32,
                NameBytes = 64,
                Float8ByValue = 1,
                Name = Server.Literal("omnipg_archive"u8),
                LibraryVersion = Marshal.StringToCoTaskMemUTF8(typeof(ModuleEntry).Assembly.GetName().Version?.ToString(3)),
            };
            "PostgreSQL"u8.CopyTo(new Span<byte>(block.Kind, 32));
            return block;
        }
    }
}
