using System.Runtime.InteropServices;
using ZstdSharp.Unsafe;

namespace OmniPg;

/// <summary>ZSTD_inBuffer and ZSTD_outBuffer, which have the same layout.</summary>
internal unsafe struct ZstdWindow
{
    public void* Start;
    public nuint Size;
    public nuint Position;
}

/// <summary>A ZSTD_CCtx of the system's libzstd or, on a machine without it, of its port to C#: the same functions, so nothing above has to know which.</summary>
internal sealed unsafe class ZstdCompressor : SafeHandle
{
    private static readonly ZstdCodec.ContextPool<ZstdCompressor> NativePool = new(static () => new ZstdCompressor(managed: false));
    private static readonly ZstdCodec.ContextPool<ZstdCompressor> ManagedPool = new(static () => new ZstdCompressor(managed: true));
    private readonly bool _managed;

    private ZstdCompressor(bool managed)
        : base(0, ownsHandle: true)
    {
        _managed = managed;
        SetHandle(managed ? (nint)Methods.ZSTD_createCCtx() : ZstdNative.CreateCompressor());
    }

    public override bool IsInvalid => handle == 0;

    private ZSTD_CCtx_s* Context => (ZSTD_CCtx_s*)handle;

    /// <summary>A context in its initial state, set to a level; give it back by <see cref="Return"/>.</summary>
    public static ZstdCompressor Rent(bool managed, int level)
    {
        var context = (managed ? ManagedPool : NativePool).Rent();
        context.Check(managed ? Methods.ZSTD_CCtx_reset(context.Context, ZSTD_ResetDirective.ZSTD_reset_session_and_parameters) : ZstdNative.Reset(context, ZstdNative.ResetSessionAndParameters));
        foreach (var (parameter, value) in ZstdCodec.ParametersOf(level))
            context.Check(managed ? Methods.ZSTD_CCtx_setParameter(context.Context, (ZSTD_cParameter)parameter, value) : ZstdNative.SetParameter(context, parameter, value));
        return context;
    }

    public void Return() => (_managed ? ManagedPool : NativePool).Return(this);

    /// <summary>ZSTD_compressStream2; <paramref name="operation"/> is a ZSTD_EndDirective.</summary>
    /// <returns>Bytes that wait inside for room in the output.</returns>
    public nuint Compress(ref ZstdWindow output, ref ZstdWindow input, int operation)
    {
        if (!_managed)
            return Check(ZstdNative.Compress(this, ref output, ref input, operation));
        fixed (ZstdWindow* to = &output, from = &input)
            return Check(Methods.ZSTD_compressStream2(Context, (ZSTD_outBuffer_s*)to, (ZSTD_inBuffer_s*)from, (ZSTD_EndDirective)operation));
    }

    /// <summary>ZSTD_compress2: one frame.</summary>
    /// <returns>Bytes written.</returns>
    public int CompressWhole(ReadOnlySpan<byte> content, Span<byte> target)
    {
        fixed (byte* from = content, to = target)
        {
            return (int)Check(_managed
                ? Methods.ZSTD_compress2(Context, to, (nuint)target.Length, from, (nuint)content.Length)
                : ZstdNative.Compress(this, to, (nuint)target.Length, from, (nuint)content.Length));
        }
    }

    protected override bool ReleaseHandle() => (_managed ? Methods.ZSTD_freeCCtx(Context) : ZstdNative.FreeCompressor(handle)) == 0;

    private nuint Check(nuint result) => ZstdCodec.IsError(_managed, result, out var words) ? throw new InvalidOperationException($"zstd refused to compress: {words}.") : result;
}

/// <summary>A ZSTD_DCtx, likewise.</summary>
internal sealed unsafe class ZstdDecompressor : SafeHandle
{
    private static readonly ZstdCodec.ContextPool<ZstdDecompressor> NativePool = new(static () => new ZstdDecompressor(managed: false));
    private static readonly ZstdCodec.ContextPool<ZstdDecompressor> ManagedPool = new(static () => new ZstdDecompressor(managed: true));
    private readonly bool _managed;

    private ZstdDecompressor(bool managed)
        : base(0, ownsHandle: true)
    {
        _managed = managed;
        SetHandle(managed ? (nint)Methods.ZSTD_createDCtx() : ZstdNative.CreateDecompressor());
    }

    public override bool IsInvalid => handle == 0;

    private ZSTD_DCtx_s* Context => (ZSTD_DCtx_s*)handle;

    /// <summary>A context in its initial state; give it back by <see cref="Return"/>.</summary>
    public static ZstdDecompressor Rent(bool managed)
    {
        var context = (managed ? ManagedPool : NativePool).Rent();
        context.Check(managed ? Methods.ZSTD_DCtx_reset(context.Context, ZSTD_ResetDirective.ZSTD_reset_session_and_parameters) : ZstdNative.Reset(context, ZstdNative.ResetSessionAndParameters));
        return context;
    }

    public void Return() => (_managed ? ManagedPool : NativePool).Return(this);

    /// <summary>ZSTD_decompressStream.</summary>
    /// <returns>0 where a frame ends and all of it has been yielded.</returns>
    public nuint Decompress(ref ZstdWindow output, ref ZstdWindow input)
    {
        if (!_managed)
            return Check(ZstdNative.Decompress(this, ref output, ref input));
        fixed (ZstdWindow* to = &output, from = &input)
            return Check(Methods.ZSTD_decompressStream(Context, (ZSTD_outBuffer_s*)to, (ZSTD_inBuffer_s*)from));
    }

    protected override bool ReleaseHandle() => (_managed ? Methods.ZSTD_freeDCtx(Context) : ZstdNative.FreeDecompressor(handle)) == 0;

    private nuint Check(nuint result) => ZstdCodec.IsError(_managed, result, out var words) ? throw new CorruptCompressedDataException("zstd", $"zstd says '{words}'") : result;
}
