using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OmniPg.Wal.ArchiveModule;

/// <summary>The server that has loaded this library: what is called and read of it. Everything here is for its own thread alone.</summary>
/// <remarks>
/// A function that may raise ERROR would jump over managed frames, which is undefined. Those below raise none short of a server out of memory; none may be added that does.
/// </remarks>
internal static unsafe partial class Server
{
    private const int Warning = 19; // elog.h
    private const int Reload = 2;   // PGC_SIGHUP of guc.h
    private static readonly nint Program = NativeLibrary.GetMainProgramHandle();

    /// <summary>Major version, such as 15.</summary>
    public static int Major { get; } = int.Parse(Text(GetConfigOption("server_version_num", 0, 0)), CultureInfo.InvariantCulture) / 10000;

    /// <summary>Whether this process is the server's archiver; what else loads a library is the postmaster (<c>shared_preload_libraries</c>) or a session (<c>LOAD</c>).</summary>
    public static bool IsArchiver => *Variable<byte>("IsUnderPostmaster") != 0 && Text(GetBackendTypeDesc(*Variable<int>("MyBackendType"))) == "archiver";

    /// <summary>Process id of the postmaster that this process was forked off.</summary>
    public static int Postmaster => *Variable<int>("PostmasterPid");

    /// <summary>Writes a WARNING into the server's log.</summary>
    public static void Warn(string message, string hint)
    {
        // errfinish would run waiting interrupts, and what they run may raise ERROR (HOLD_INTERRUPTS of miscadmin.h).
        var held = Variable<uint>("InterruptHoldoffCount");
        ++*held;
        if (errstart(Warning, 0) != 0)
        {
            _ = errmsg_internal("%s", message);
            _ = errhint("%s", hint);
            errfinish("omnipg_archive", 0, "omnipg_archive");
        }

        --*held;
    }

    /// <summary>Defines a setting of postgresql.conf that a reload changes.</summary>
    /// <returns>Where the server keeps the value: a C string.</returns>
    public static nint* DefineText(ReadOnlySpan<byte> name, ReadOnlySpan<byte> description)
    {
        var value = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
        DefineCustomStringVariable(Literal(name), Literal(description), 0, value, Literal(""u8), Reload, 0, 0, 0, 0);
        return value;
    }

    /// <summary>Defines a setting in whole seconds, at least one, that a reload changes.</summary>
    /// <returns>Where the server keeps the value.</returns>
    public static int* DefineSeconds(ReadOnlySpan<byte> name, ReadOnlySpan<byte> description, int usual)
    {
        // GUC_UNIT_S of guc.h, which had another value before 16.
        var seconds = Major >= 16 ? 0x20000000 : 0x20000;
        var value = (int*)NativeMemory.AllocZeroed(sizeof(int));
        DefineCustomIntVariable(Literal(name), Literal(description), 0, value, usual, 1, int.MaxValue / 1000, Reload, seconds, 0, 0, 0);
        return value;
    }

    /// <summary>Has the server complain of settings behind a prefix that nobody defined.</summary>
    [LibraryImport("postgres", EntryPoint = "MarkGUCPrefixReserved", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void ReservePrefix(string name);

    /// <summary>Ends the process without libc's exit, beside which the runtime's own thread would still run; the server's own ends (shared memory, statistics) come before.</summary>
    public static void LeaveWithoutExitHandlers() => on_proc_exit(NativeLibrary.GetExport(Program, "_exit"), 0);

    /// <summary>A C string of the server.</summary>
    public static string Text(nint text) => Marshal.PtrToStringUTF8(text) ?? "";

    /// <summary>The C string that a literal is: it ends with a zero, lies in the file and never moves. The server keeps such pointers.</summary>
    public static nint Literal(ReadOnlySpan<byte> text) => (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(text));

    private static T* Variable<T>(string name)
        where T : unmanaged => (T*)NativeLibrary.GetExport(Program, name);

    [LibraryImport("postgres", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetConfigOption(string name, byte missingIsFine, byte restricted);

    [LibraryImport("postgres")]
    private static partial nint GetBackendTypeDesc(int type);

    [LibraryImport("postgres")]
    private static partial byte errstart(int level, nint domain);

    // Both take any number of arguments in C. Called with these two they find them where every Linux puts them (System V on x86-64, AAPCS on ARM).
    [LibraryImport("postgres", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int errmsg_internal(string format, string text);

    [LibraryImport("postgres", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int errhint(string format, string text);

    [LibraryImport("postgres", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void errfinish(string file, int line, string function);

    [LibraryImport("postgres")]
    private static partial void DefineCustomStringVariable(nint name, nint description, nint more, nint* value, nint usual, int context, int flags, nint check, nint assign, nint show);

    [LibraryImport("postgres")]
    private static partial void DefineCustomIntVariable(
        nint name, nint description, nint more, int* value, int usual, int least, int most, int context, int flags, nint check, nint assign, nint show);

    [LibraryImport("postgres")]
    private static partial void on_proc_exit(nint function, nint argument);
}
