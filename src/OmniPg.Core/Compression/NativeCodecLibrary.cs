using System.Reflection;
using System.Runtime.InteropServices;

namespace OmniPg;

/// <summary>A system library that holds a codec: looked for once, by the names it has on each operating system.</summary>
/// <remarks>Nothing is shipped: the library belongs to the machine and is updated with it.</remarks>
internal sealed class NativeCodecLibrary
{
    public const string ZstdName = "omnipg-zstd";
    public const string Lz4Name = "omnipg-lz4";

    public static readonly NativeCodecLibrary Zstd =
        new("zstd", "libzstd1", "zstd", ["libzstd.so.1", "libzstd.so", "libzstd.1.dylib", "libzstd.dylib", "libzstd.dll", "zstd.dll"]);

    public static readonly NativeCodecLibrary Lz4 =
        new("lz4", "liblz4-1", "lz4", ["liblz4.so.1", "liblz4.so", "liblz4.1.dylib", "liblz4.dylib", "liblz4.dll", "lz4.dll"]);

    private readonly string _codec;
    private readonly string _hint;
    private readonly string[] _names;
    private readonly Lazy<nint> _handle;

    static NativeCodecLibrary() => NativeLibrary.SetDllImportResolver(typeof(NativeCodecLibrary).Assembly, Resolve);

    internal NativeCodecLibrary(string codec, string debianPackage, string otherPackage, string[] names)
    {
        _codec = codec;
        _names = names;
        _hint = $"Install the package '{debianPackage}' (Debian, Ubuntu) or '{otherPackage}' (others).";
        _handle = new Lazy<nint>(Load);
    }

    public bool IsAvailable(out string? reason)
    {
        reason = _handle.Value != 0 ? null : $"'{_names[0]}' is not on this machine. {_hint}";
        return reason is null;
    }

    public void ThrowIfMissing()
    {
        if (_handle.Value == 0)
            throw new CodecUnavailableException(_codec, _names[0], _hint);
    }

    private nint Load()
    {
        foreach (var name in _names)
            if (NativeLibrary.TryLoad(name, out var handle))
                return handle;
        return 0;
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) => name switch
    {
        ZstdName => Zstd._handle.Value,
        Lz4Name => Lz4._handle.Value,
        _ => 0,
    };
}
