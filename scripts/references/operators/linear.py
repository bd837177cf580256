import torch


def gemm(a, b, c=0, *, transA=0, transB=0, alpha=1.0, beta=1.0):
    return alpha * ((a.T if transA else a) @ (b.T if transB else b)) + beta * c


OPS = {"Gemm": gemm, "MatMul": torch.matmul}
